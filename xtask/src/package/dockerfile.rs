//! What of the Dockerfile can be held to the repository without a container engine.

use std::path::Path;

/// Instruction and rest of each logical line.
fn instructions(text: &str) -> Vec<(String, String)> {
    let whole = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let split = |line: &str| line.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()));
    whole.lines().filter_map(split).collect()
}

fn dockerfile() -> Vec<(String, String)> {
    instructions(include_str!("../../../Dockerfile"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The last stage is what runs.
fn last_stage() -> Vec<(String, String)> {
    let all = dockerfile();
    let start = all.iter().rposition(|(name, _)| name == "FROM").unwrap();
    all[start..].to_vec()
}

#[test]
fn the_container_runs_as_a_numbered_user_without_privileges() {
    let users: Vec<_> = last_stage().into_iter().filter(|(name, _)| name == "USER").collect();
    let [(_, user)] = users.as_slice() else { panic!("one USER in the last stage, found {users:?}") };
    let (uid, gid) = user.split_once(':').unwrap();
    assert!(uid.parse::<u32>().unwrap() > 0 && gid.parse::<u32>().unwrap() > 0, "{user}");
}

#[test]
fn the_container_says_whether_it_is_in_health() {
    let (_, check) = last_stage().into_iter().find(|(name, _)| name == "HEALTHCHECK").unwrap();
    assert!(check.ends_with(r#"CMD ["guacd-lite", "health"]"#), "{check}");
}

#[test]
fn what_is_copied_is_in_the_repository_and_not_ignored() {
    let ignored = include_str!("../../../.dockerignore");
    for (_, rest) in dockerfile().iter().filter(|(name, _)| name == "COPY") {
        let mut words: Vec<_> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        words.pop();
        if rest.contains("--from=") {
            continue;
        }
        for source in words {
            assert!(root().join(source).exists(), "COPY {source}: there is no such file");
            assert!(!ignored.lines().any(|line| line == source), "COPY {source}: .dockerignore has it");
        }
    }
}

#[test]
fn it_is_built_with_the_toolchain_that_the_workspace_asks_for() {
    let manifest = include_str!("../../../Cargo.toml");
    let wanted = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(dockerfile().iter().any(|(name, rest)| name == "FROM" && rest.starts_with(&format!("rust:{wanted}-"))));
}
