//! Policy files: every kind of mistake with its line, and that a good one compiles to what it says.

mod advice;
mod broken;
mod certificates;
mod files;
mod good;
mod schema;
mod text;
mod tokens;
mod ttl;

use super::{Problem, Secrets, load, read};
use crate::policy::Policy;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

const GOOD: &str = "$argon2id$v=19$m=12288,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

/// A public key that nobody signs with here, its last brace left out.
const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"e","x":"WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY""#;

/// A folder with hash files of every kind, readable by their owner alone.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let weak = GOOD.replace("m=12288,t=3", "m=7168,t=1");
    let absurd = GOOD.replace("m=12288,t=3,p=1", "m=4194304,t=3,p=1");
    let slow = GOOD.replace("t=3", "t=1000000");
    let files = [
        ("good.phc", format!("# rotated in May\n\n{GOOD}\n")),
        ("two.phc", format!("{GOOD}\n{GOOD}\n")),
        ("five.phc", format!("{GOOD}\n").repeat(5)),
        ("weak.phc", weak),
        ("absurd.phc", format!("{absurd}\n{slow}\n{GOOD}")),
        ("dearer.phc", GOOD.replace("t=3", "t=4")),
        ("bcrypt.phc", "$2y$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned()),
        ("cheap.phc", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned()),
        ("cut.phc", "$2y$10$abcdefghijklmnopqrstuv".to_owned()),
        ("plain.phc", "hunter2".to_owned()),
        ("empty.phc", "# nothing\n".to_owned()),
        ("public.phc", GOOD.to_owned()),
        ("good.jwks", format!("{{\"keys\":[{JWK}}}]}}")),
        ("private.jwks", format!("{{\"keys\":[{JWK},\"d\":\"AQAB\"}}]}}")),
        ("huge.phc", "#".repeat(70_000)),
    ];
    for (name, content) in files {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let mode = if name == "public.phc" { 0o644 } else { 0o600 };
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    folder
}

type Read = Result<(Policy, Vec<Problem>), Vec<Problem>>;

fn compile(text: &str, secrets: Secrets) -> (Read, TempDir) {
    let folder = folder();
    (read(text, folder.path(), secrets, &mut || [7; 48]), folder)
}

/// The problems, or else the warnings, as `check` prints them, in a file called `policy.yaml` of the folder `DIR`.
fn report(text: &str, secrets: Secrets) -> String {
    let (read, folder) = compile(text, secrets);
    let (what, list) = match read {
        Ok((_, warnings)) => ("ok", warnings),
        Err(problems) => ("problems", problems),
    };
    let lines = list.iter().map(|problem| problem.in_file(Path::new("policy.yaml")) + "\n").collect::<String>();
    format!("{what}\n{}", lines.replace(&folder.path().display().to_string(), "DIR"))
}

/// The messages alone.
fn problems(text: &str) -> Vec<String> {
    match compile(text, Secrets::Optional).0 {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect(),
    }
}

fn good(text: &str) -> Policy {
    match compile(text, Secrets::Required) {
        (Ok((policy, _)), _) => policy,
        (Err(problems), _) => panic!("{problems:#?}\n{text}"),
    }
}
