//! The headers of arrays in a `.npz` file, checked before memory is taken for the arrays.

/// What is wrong if the header of an array promises more values than follow it, or is not written as numpy writes it. The reader of arrays would
/// take memory for all values first, and a header of 100 bytes can promise more than any machine has.
pub(crate) fn missing_values(bytes: &[u8]) -> Option<String> {
    let unreadable =
        || Some("its header is not one that numpy writes: save the array with numpy.savez again".to_owned());
    let Some((header, n_bytes)) = header(bytes) else { return unreadable() };
    let Some((shape, descriptor)) = shape_and_type(header) else { return unreadable() };
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
    let n_values = sides.map(|side| side.parse::<u128>().unwrap_or(u128::MAX)).fold(1, u128::saturating_mul);
    let Ok(n_value_bytes) = descriptor.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u128>() else {
        return unreadable();
    };
    (n_values.saturating_mul(n_value_bytes) > n_bytes as u128)
        .then(|| format!("its header says shape ({shape}), but only {n_bytes} bytes follow"))
}

/// The text of the header, and the number of bytes after it.
fn header(bytes: &[u8]) -> Option<(&str, usize)> {
    let start: usize = if bytes.get(6) == Some(&1) { 10 } else { 12 };
    let length = match start {
        10 => usize::from(u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?)),
        _ => u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize,
    };
    let end = start.checked_add(length)?;
    Some((std::str::from_utf8(bytes.get(start..end)?).ok()?, bytes.len() - end))
}

/// Shape and type in a header of the form `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, in which each of the three keys
/// occurs once and nothing else does. Other forms may be valid, but no program is known that writes them.
fn shape_and_type(header: &str) -> Option<(&str, &str)> {
    let inside = header.trim().strip_prefix('{')?.strip_suffix('}')?;
    let (before, rest) = inside.split_once("'shape':")?;
    let (shape, after) = rest.trim_start().strip_prefix('(')?.split_once(')')?;
    let (mut descriptor, mut has_order) = (None, false);
    for field in
        [before, after].iter().flat_map(|part| part.split(',')).map(str::trim).filter(|field| !field.is_empty())
    {
        let (key, value) = field.split_once(':')?;
        let value = value.trim();
        match key.trim() {
            "'descr'" if descriptor.is_none() => descriptor = Some(value.strip_prefix('\'')?.strip_suffix('\'')?),
            "'fortran_order'" if !has_order && matches!(value, "True" | "False") => has_order = true,
            _ => return None,
        }
    }
    let is_list = shape.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | ' '));
    descriptor.filter(|descriptor| has_order && is_list && !descriptor.contains('\'')).map(|found| (shape, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_in_other_forms_are_refused() {
        let of = |header: &str| {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.as_bytes());
            bytes.extend([0; 8]);
            missing_values(&bytes)
        };
        assert_eq!(of("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n"), None);
        assert_eq!(of("{'shape': (1, 2), 'descr': '<f4', 'fortran_order': True}"), None);
        for header in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
            "{\"descr\": '<f4', 'fortran_order': False, \"shape\": (9999999999999,), }",
            "{'shape': (1,), 'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 99999999999999999999999999999999999999999,), }",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
            "",
        ] {
            assert!(of(header).is_some(), "{header}");
        }
    }
}
