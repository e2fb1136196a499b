//! What is wrong with a policy file, in words for the one who writes it.

use std::fmt;
use std::path::PathBuf;

/// One problem: where, what was expected, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// The key path, `principals.ci.grants[0].job`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// All problems of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// Its problems, in the order of the file as far as lines are known.
    pub list: Vec<Problem>,
    /// Whether the file could not be read at all, so that nothing is known of what it says.
    pub unreadable: bool,
}

impl Problem {
    /// The problem as `FILE:LINE: PATH: MESSAGE`.
    pub fn in_file(&self, file: &std::path::Path) -> String {
        let mut text = file.display().to_string();
        if let Some(line) = self.line {
            text.push_str(&format!(":{line}"));
        }
        if !self.path.is_empty() {
            text.push_str(&format!(": {}", self.path));
        }
        format!("{text}: {}", self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&problem.in_file(&self.file))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
