use super::*;
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use tempfile::TempDir;

type Content = BTreeMap<String, u64>;

fn file(folder: &Path) -> StateFile {
    StateFile::new(&folder.join("deep/state"), "sample.json", "sample", 3)
}

fn sample(value: u64) -> Content {
    Content::from([("größe\n".to_owned(), value), ("other".to_owned(), 7)])
}

fn saved() -> (TempDir, StateFile, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let file = file(folder.path());
    file.save(&sample(1)).unwrap();
    let bytes = fs::read(file.path()).unwrap();
    (folder, file, bytes)
}

fn load(file: &StateFile) -> Result<Option<Content>, StateError> {
    file.load()
}

#[test]
fn gives_back_what_was_saved() {
    let folder = TempDir::new().unwrap();
    let file = file(folder.path());
    assert_eq!(load(&file).unwrap(), None);
    assert!(!folder.path().join("deep").exists(), "loading must not create anything");
    for value in [1, 2] {
        file.save(&sample(value)).unwrap();
        assert_eq!(load(&file).unwrap(), Some(sample(value)));
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file.path()), mode(file.path().parent().unwrap())), (0o600, 0o700));
    file.remove().unwrap();
    file.remove().unwrap();
    assert_eq!(load(&file).unwrap(), None);
    assert_eq!(fs::read_dir(file.path().parent().unwrap()).unwrap().count(), 0, "nothing is left over");
}

#[test]
fn takes_over_neither_mode_nor_link() {
    let (folder, file, _) = saved();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let fresh = folder.path().join(format!("deep/state/.sample.json.{}.new", std::process::id()));
    symlink(&victim, &fresh).unwrap();
    file.save(&sample(2)).unwrap();
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    // The file itself may be a link too: it is replaced, not followed.
    fs::remove_file(file.path()).unwrap();
    symlink(&victim, file.path()).unwrap();
    file.save(&sample(3)).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(load(&file).unwrap(), Some(sample(3)));
}

#[test]
fn a_failed_save_keeps_the_old_file() {
    let (folder, file, bytes) = saved();
    fs::create_dir(folder.path().join(format!("deep/state/.sample.json.{}.new", std::process::id()))).unwrap();
    let error = file.save(&sample(2)).unwrap_err();
    assert!(matches!(error, StateError::Write { .. }) && error.to_string().contains("sample.json"), "{error}");
    assert_eq!(fs::read(file.path()).unwrap(), bytes);
    let blocked = StateFile::new(&file.path().join("below"), "x", "sample", 1);
    assert!(matches!(blocked.save(&sample(1)), Err(StateError::Write { .. })));
    assert!(matches!(load(&blocked), Err(StateError::Read { .. })));
}

#[test]
fn no_flipped_bit_is_believed() {
    let (_folder, file, bytes) = saved();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << bit;
            let read = file.decode::<Content>(&flipped);
            let said = matches!(read, Err(StateError::Damaged { .. } | StateError::Version { .. }));
            assert!(said, "byte {position}, bit {bit}: {read:?}");
        }
    }
}

#[test]
fn no_cut_and_no_addition_is_believed() {
    let (_folder, file, bytes) = saved();
    for length in 0..bytes.len() {
        let read = file.decode::<Content>(&bytes[..length]);
        assert!(matches!(read, Err(StateError::Damaged { .. })), "{length} bytes: {read:?}");
        let zeros = [&bytes[..length], &vec![0; bytes.len() - length]].concat();
        assert!(file.decode::<Content>(&zeros).is_err(), "{length} bytes, then zeros");
    }
    for more in ["\n", " ", "{}", "\0"] {
        assert!(file.decode::<Content>(&[&bytes, more.as_bytes()].concat()).is_err(), "{more:?} behind it");
    }
}

#[test]
fn says_what_is_wrong_with_a_file() {
    let (folder, file, bytes) = saved();
    let text = String::from_utf8(bytes).unwrap();
    let other = |kind, version| StateFile::new(&folder.path().join("deep/state"), "sample.json", kind, version);
    let foreign = String::from_utf8(other("sample", 3).encode(&vec!["a"]).unwrap()).unwrap();
    let cases = [
        (&file, text.replace(":7", ":8"), "is damaged: its checksum does not match; it is not used"),
        (&file, text.replacen("{\"kind\"", "{ \"kind\"", 1), "its checksum does not match"),
        (&file, "<html>".to_owned(), "it has no second line"),
        (&file, "<html>\n".to_owned(), "expected value"),
        (&file, foreign, "invalid type: sequence"),
        (&other("token", 3), text.clone(), "it holds sample, not token"),
        (&other("sample", 4), text.clone(), "has format 3, this program reads 4; it is not used"),
    ];
    for (file, content, want) in cases {
        fs::write(file.path(), &content).unwrap();
        let said = load(file).unwrap_err().to_string();
        assert!(said.contains(want) && said.contains("deep/state/sample.json"), "{want}: {said}");
    }
}

#[test]
fn reads_no_folder_no_pipe_and_no_huge_file() {
    let (_folder, file, _) = saved();
    File::create(file.path()).unwrap().set_len(MAX_FILE + 1).unwrap();
    let error = load(&file).unwrap_err();
    assert!(matches!(error, StateError::Read { .. }) && error.to_string().contains("16 MiB"), "{error}");
    fs::remove_file(file.path()).unwrap();
    fs::create_dir(file.path()).unwrap();
    assert!(matches!(load(&file), Err(StateError::Read { .. })));
    fs::remove_dir(file.path()).unwrap();
    assert!(Command::new("mkfifo").arg(file.path()).status().unwrap().success());
    assert!(matches!(load(&file), Err(StateError::Read { .. })), "and does not wait for its writer");
}

const STEPS: [Step; 7] =
    [Step::FolderMade, Step::Opened, Step::HalfWritten, Step::Written, Step::Synced, Step::Renamed, Step::FolderSynced];

/// The process that [`a_kill_at_any_step_loses_nothing`] starts: it kills itself in the middle of a save.
#[test]
fn killed_while_saving() {
    let (Ok(folder), Ok(step)) = (std::env::var("KILLED_IN"), std::env::var("KILLED_AT")) else { return };
    let step = STEPS[step.parse::<usize>().unwrap()];
    let file = file(Path::new(&folder));
    file.save_stepwise(&sample(2), &mut |at| {
        if at == step {
            let _ = Command::new("sh").args(["-c", &format!("kill -KILL {}", std::process::id())]).status();
        }
    })
    .unwrap();
    unreachable!("it was to be killed at {step:?}");
}

#[test]
fn a_kill_at_any_step_loses_nothing() {
    for (index, step) in STEPS.into_iter().enumerate() {
        for before in [None, Some(1)] {
            let folder = TempDir::new().unwrap();
            let file = file(folder.path());
            before.iter().for_each(|value| file.save(&sample(*value)).unwrap());
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "state::tests::killed_while_saving"])
                .env("KILLED_IN", folder.path())
                .env("KILLED_AT", index.to_string())
                .output()
                .unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&child.status);
            assert_eq!(signal, Some(9), "{step:?}: {child:?}");
            let renamed = index >= 5;
            let want = if renamed { Some(sample(2)) } else { before.map(sample) };
            assert_eq!(load(&file).unwrap(), want, "after a kill at {step:?}");
            file.save(&sample(3)).unwrap();
            assert_eq!(load(&file).unwrap(), Some(sample(3)), "after a kill at {step:?}");
        }
    }
}
