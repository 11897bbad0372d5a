//! Options about the processes of this machine.
//!
//! The doc comments of the fields are the help texts.

use clap::Args;

/// Options about processes.
#[derive(Args, Debug, Clone, Default)]
pub struct ProcessArgs {
    /// Only what this process says and hears, and its descendants.
    #[arg(long, value_name = "N", help_heading = "Which processes")]
    pub pid: Option<u32>,
    /// Only programs of such a name or path; * stands for anything (repeatable).
    #[arg(long, value_name = "GLOB", help_heading = "Which processes")]
    pub exe: Vec<String>,
    /// Only programs of this user, by name or number.
    #[arg(long, value_name = "USER", help_heading = "Which processes")]
    pub owner: Option<String>,
    /// Only programs in such a container, by its name or the first digits of its identifier
    /// (repeatable).
    #[arg(long, value_name = "GLOB", help_heading = "Which processes")]
    pub container: Vec<String>,
}
