//! Runs `stories/*.txt`. Each command of a story is followed by `----` and what happened; an empty line ends it. Lines
//! that start with `#` are comments. `UPDATE_EXPECT=1 cargo test -p ottla-txn` writes what happened into the files.
//!
//! After each command the log is replayed into a fresh shard, whole and compacted, and compared with the live one.

use super::script::Script;

fn check(name: &str) {
    // Tests run in the folder of their package.
    let path = std::path::absolute(format!("tests/txn/stories/{name}.txt")).expect("a working directory");
    let story = std::fs::read_to_string(&path).expect("the story");
    expect_test::expect_file![path].assert_eq(&run(&story));
}

fn run(story: &str) -> String {
    let mut script = Script::new();
    let mut told = String::new();
    let mut is_result = false;
    for line in story.lines() {
        if is_result {
            is_result = !line.is_empty();
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            told.push_str(line);
            told.push('\n');
        } else if line == "----" {
            is_result = true;
        } else {
            told.push_str(&format!("{line}\n----\n{}\n", script.run(line)));
        }
    }
    told
}

macro_rules! stories {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
    };
}

stories! {
    version_1
    version_2
    initialising
    zombies
    timeouts
    markers
    reloading
    exhaustion
    expiring
    admin
}
