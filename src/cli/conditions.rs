//! Conditions on exchanges, from the options about HTTP.
//!
//! Patterns are compiled here, so that errors come before anything is opened.

use regex::bytes::{Regex, RegexBuilder};

use crate::message::Role;
use crate::process::ProcessConditions;
use crate::search::{Conditions, FIELDS, FactIs, FieldIs, Test};

use super::args::{Args, ExchangeArgs, OnlyName, Statuses};
use super::problem::Problem;

/// The conditions in `args`.
///
/// # Errors
/// An invalid pattern, as an error for the user.
pub(super) fn conditions(args: &ExchangeArgs) -> Result<Conditions, Problem> {
    let mut facts = Vec::new();
    let mut fact = |side: Role, name: &'static str, test: Test| {
        facts.push(FactIs { side, name, test });
    };
    if let Some(Statuses { ranges, calls }) = &args.status {
        let name = if *calls { "grpc.status" } else { "http.status" };
        fact(Role::Response, name, Test::Number(ranges.clone()));
    }
    if !args.method.is_empty() {
        fact(
            Role::Request,
            "http.method",
            Test::Word(args.method.clone()),
        );
    }
    if !args.host.is_empty() {
        let globs: Result<Vec<Regex>, Problem> = args.host.iter().map(|text| glob(text)).collect();
        fact(Role::Request, "http.host", Test::Host(globs?));
    }
    if let Some(path) = &args.path {
        fact(
            Role::Request,
            "http.target",
            Test::Path(regex("--path", path)?),
        );
    }
    if args.header.len() > FIELDS {
        return Err(Problem::new(format!(
            "--header can be given {FIELDS} times"
        )));
    }
    let fields: Result<Vec<FieldIs>, Problem> =
        args.header.iter().map(|text| field(text)).collect();
    Ok(Conditions {
        facts,
        fields: fields?,
        // The status of a call comes in a trailer.
        late: args.status.as_ref().is_some_and(|status| status.calls),
        slow: args.slow,
        only: args.only.map(|name| match name {
            OnlyName::Req => Role::Request,
            OnlyName::Resp => Role::Response,
        }),
    })
}

/// The conditions on processes in `args`. With a command, its processes are asked for.
///
/// # Errors
/// An invalid pattern, as an error for the user.
pub(super) fn processes(args: &Args) -> Result<ProcessConditions, Problem> {
    let globs = |option: &str, texts: &[String]| -> Result<Vec<regex::Regex>, Problem> {
        texts
            .iter()
            .map(|text| {
                // Names are text, and case matters in them.
                regex::Regex::new(&format!("(?s){}", glob_pattern(text)))
                    .map_err(|error| Problem::new(format!("{option} {text}: {error}")))
            })
            .collect()
    };
    let asked = &args.processes;
    Ok(ProcessConditions {
        chosen: asked.pid.is_some() || args.command.is_some(),
        pid: asked.pid,
        exe: globs("--exe", &asked.exe)?,
        owner: asked.owner.clone(),
        container: globs("--container", &asked.container)?,
    })
}

/// `Accept-Language`, `Accept-Language: fr`, `Accept-Language:fr`.
fn field(text: &str) -> Result<FieldIs, Problem> {
    let (name, value) = match text.split_once(':') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (text.trim(), None),
    };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(Problem::new(format!(
            "--header wants a name, or a name, a colon and a pattern: \"{text}\""
        ))
        .advise("for example: --header 'Accept-Language: fr'"));
    }
    let value = value.filter(|value| !value.is_empty());
    Ok(FieldIs {
        name: name.to_owned(),
        value: value.map(|value| regex("--header", value)).transpose()?,
    })
}

/// A glob: `*` matches any characters, `?` one. Case is ignored.
fn glob(text: &str) -> Result<Regex, Problem> {
    let pattern = glob_pattern(text);
    build(&pattern, true).map_err(|error| Problem::new(format!("--host {text}: {error}")))
}

/// The pattern of a glob.
fn glob_pattern(text: &str) -> String {
    let mut pattern = String::from("^");
    for c in text.chars() {
        match c {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            c => pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern.push('$');
    pattern
}

fn regex(option: &str, text: &str) -> Result<Regex, Problem> {
    build(text, false).map_err(|error| {
        Problem::new(format!("the pattern of {option} is not valid: {text}"))
            .advise(error.to_string().lines().last().unwrap_or_default())
    })
}

fn build(pattern: &str, any_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .case_insensitive(any_case)
        .size_limit(1 << 20)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_name_and_perhaps_a_pattern() {
        let table = [
            ("Accept", Some(("Accept", None))),
            ("Accept: fr", Some(("Accept", Some("fr")))),
            ("Accept:^fr$", Some(("Accept", Some("^fr$")))),
            ("Accept:", Some(("Accept", None))),
            (": fr", None),
            ("a b", None),
            ("a: [", None),
        ];
        for (text, want) in table {
            let got = field(text).ok();
            let got = got
                .as_ref()
                .map(|field| (field.name.as_str(), field.value.as_ref().map(Regex::as_str)));
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn a_glob_matches_the_whole_host() {
        for (text, host, want) in [
            ("*.example", "a.example", true),
            ("*.example", "a.example.org", false),
            ("A?c", "abc", true),
            ("a.c", "abc", false),
            ("*", "anything", true),
        ] {
            assert_eq!(
                glob(text).unwrap().is_match(host.as_bytes()),
                want,
                "{text} {host}"
            );
        }
    }
}
