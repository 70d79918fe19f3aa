//! The command `fisherlens`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use etcetera::BaseStrategy as _;
use fisherlens_cli::arguments::Explain;
use fisherlens_cli::caller::Caller;
use fisherlens_cli::fetch::{self, Fetch};
use fisherlens_cli::info::{self, Info};
use fisherlens_cli::predict::{self, Predict};
use fisherlens_cli::report::{self, Report};
use fisherlens_cli::train::{self, Train};
use fisherlens_cli::{explain, signals};
use fisherlens_experiment::program::Program;

/// Fisher-vector image classifiers that explain their decisions.
#[derive(Debug, Parser)]
#[command(name = "fisherlens", version, disable_help_subcommand = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Examples under the help of `explain`.
const EXAMPLES: &str = "\
Examples:
  fisherlens explain horse.jpg
      all classes that the built-in model finds, as heatmap and overlay in the folder explained/
  fisherlens explain horse.jpg --class horse --class person --rule epsilon=100 --rule absolute
      two classes by two rules, and a panel of all pictures
  fisherlens explain *.jpg --json | jq '.photographs[] | {path, scores}'
      scores and thresholds as JSON, for other programs
  fisherlens explain horse.jpg --class horse --npz --top 50
      also the arrays for numpy, and squares around the 50 most relevant descriptors

Exit codes: 0 success; 1 an error, such as an unreadable file or a class that the model does not have; 2 arguments of a wrong form;
130, 143, 129 stopped by Ctrl-C, SIGTERM, SIGHUP.";

/// Examples under the help of `train`.
const TRAIN_EXAMPLES: &str = "\
Examples:
  fisherlens train photographs/ --out cats-and-dogs.flm
      photographs/cat/*.jpg and photographs/dog/*.jpg, divided into training and test
  fisherlens train labels.csv --group photographer
      a table with the columns path, label and photographer; nobody's photographs lie in both halves
  fisherlens explain cat.jpg --model cats-and-dogs.flm
      which pixels led to the decision";

/// Examples under the help of `report`.
const REPORT_EXAMPLES: &str = "\
Examples:
  fisherlens report photographs/ --model cats-and-dogs.flm
      the page report/report.html about the same test half that `train` made
  fisherlens report another-camera/ --model cats-and-dogs.flm --all --out another-camera-report
      all images of another folder with the same classes";

/// Examples under the help of `fetch`.
const FETCH_EXAMPLES: &str = "\
Examples:
  fisherlens fetch voc2007 --to data
      both archives of PASCAL VOC 2007 (0.9 GB), unpacked into data/VOCdevkit/VOC2007; a second call downloads nothing
  fisherlens fetch voc2007 --archive VOCtrainval_06-Nov-2007.tar --archive VOCtest_06-Nov-2007.tar
      archives that you have already
  fisherlens fetch caffenet --mirror https://files.example.org/caffe
      weights and mean image of a network; another server is asked first

A download that was stopped or that broke is continued by the same command.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Explain the decision on single photographs: scores, heatmaps, overlays
    #[command(after_help = EXAMPLES)]
    Explain(Box<Explain>),
    /// Learn a model from labelled photographs of your own, and measure it on photographs that it did not learn from
    #[command(after_help = TRAIN_EXAMPLES)]
    Train(Box<Train>),
    /// Print scores and found classes of many photographs
    Predict(Predict),
    /// Write a page about a model on labelled photographs: quality, the surest mistakes with heatmaps, context
    #[command(after_help = REPORT_EXAMPLES)]
    Report(Report),
    /// Download a data set, or the weights of a network; check, and unpack
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch(Fetch),
    /// Print what a model file says about itself
    Info(Info),
    /// Print a script that completes this command's arguments in a shell
    #[command(after_help = "Example:\n  mkdir -p ~/.local/share/bash-completion/completions\n  \
                      fisherlens completions bash > ~/.local/share/bash-completion/completions/fisherlens")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page of the program, or of one of its commands
    #[command(after_help = "Example:\n  mkdir -p ~/.local/share/man/man1\n  \
                            fisherlens man > ~/.local/share/man/man1/fisherlens.1\n  \
                            fisherlens man explain > ~/.local/share/man/man1/fisherlens-explain.1")]
    Man {
        /// The command, such as explain
        command: Option<String>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    signals::run(|interrupt| match cli.command {
        Command::Explain(arguments) => explain::run(&arguments, &caller(), interrupt),
        Command::Train(arguments) => train::run(&arguments, &caller(), interrupt),
        Command::Predict(arguments) => predict::run(&arguments, interrupt),
        Command::Report(arguments) => report::run(&arguments, &caller(), interrupt),
        Command::Fetch(arguments) => fetch::run(&arguments, interrupt),
        Command::Info(arguments) => info::run(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "fisherlens", &mut script);
            fisherlens_cli::console::print(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
        Command::Man { command } => manual(command.as_deref()),
    })
}

/// An installed program stores its experiments in the user's cache folder, as the platform defines it.
fn caller() -> Caller {
    let folder = etcetera::choose_base_strategy().map(|folders| folders.cache_dir().join("fisherlens"));
    // An argument may be the name of a file that is not Unicode.
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let command_line = words.collect::<Vec<_>>().join(" ");
    Caller {
        folder: folder.unwrap_or_else(|_| PathBuf::from("fisherlens-cache")),
        program: Program { command_line, ..Program::default() },
    }
}

/// Prints the manual page of the program, or of the command called `name`.
fn manual(name: Option<&str>) -> anyhow::Result<()> {
    let mut program = Cli::command();
    // Gives every command its whole name, as in `fisherlens-explain`.
    program.build();
    let command = match name {
        None => program,
        Some(name) => {
            let names = || program.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>().join(", ");
            let found = program.find_subcommand(name);
            found.with_context(|| format!("no command is called \"{name}\"; expected one of {}", names()))?.clone()
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    // The headings that readers of manual pages know.
    let page =
        String::from_utf8_lossy(&page).replace(".SH EXTRA", ".SH EXAMPLES").replace(".SH SUBCOMMANDS", ".SH COMMANDS");
    fisherlens_cli::console::print(page.trim_end());
    Ok(())
}
