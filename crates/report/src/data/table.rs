//! Further tables and sections, whose content the report does not know.

/// A further table, whose cells the caller has formatted.
///
/// ```
/// use fisherlens_report::Table;
///
/// let table = Table {
///     title: "Relevance on the tag".to_owned(),
///     columns: ["Class", "On the tag (%)"].map(str::to_owned).to_vec(),
///     rows: vec![["horse", "48.9"].map(str::to_owned).to_vec()],
///     note: "Mean over the test images of the class.".to_owned(),
/// };
/// # assert_eq!(table.rows[0].len(), table.columns.len());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Caption of the table.
    pub title: String,
    /// Names of the columns. The first column has the names of the rows.
    pub columns: Vec<String>,
    /// One cell per column, already formatted; columns after the first are right-aligned.
    pub rows: Vec<Vec<String>>,
    /// Sentences below the table; may be empty.
    pub note: String,
}

/// A further section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraSection {
    /// Name for links to the section; only its ASCII letters and digits are used. It should be unique among the further sections.
    pub id: String,
    /// Heading of the section.
    pub heading: String,
    /// Each sentence is shown as a paragraph.
    pub sentences: Vec<String>,
    /// Tables below the sentences.
    pub tables: Vec<Table>,
}
