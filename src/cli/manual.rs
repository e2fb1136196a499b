//! `pushguard completions` and `pushguard man`: both are made from the command line as it is.

use super::{Cli, Outcome, complain};
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::io::Write as _;
use std::path::PathBuf;

/// Print what makes a shell complete the command line.
#[derive(Debug, clap::Args)]
#[command(after_help = "bash: pushguard completions bash > /etc/bash_completion.d/pushguard\n\
                        zsh:  pushguard completions zsh > \"${fpath[1]}/_pushguard\"\n\
                        fish: pushguard completions fish > ~/.config/fish/completions/pushguard.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Write the manual.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Where to write a page for each command; without it the first page is printed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Completions {
    pub(super) fn run(&self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "pushguard", &mut script);
        written(&script)
    }
}

impl Man {
    pub(super) fn run(&self) -> Outcome {
        let command = Cli::command();
        let done = match &self.folder {
            Some(folder) => std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command, folder))
                .map_err(|error| complain(format_args!("{}: {error}", folder.display()))),
            None => {
                let mut page = Vec::new();
                match clap_mangen::Man::new(command).render(&mut page) {
                    Ok(()) => return written(&page),
                    Err(error) => {
                        complain(error);
                        Err(())
                    }
                }
            }
        };
        if done.is_ok() { Outcome::Ok } else { Outcome::Undecided }
    }
}

fn written(bytes: &[u8]) -> Outcome {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    if written.is_ok() { Outcome::Ok } else { Outcome::Undecided }
}
