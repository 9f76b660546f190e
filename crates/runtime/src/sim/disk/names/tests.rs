use super::*;

/// What a power loss leaves, over many seeds: the sets of paths (out of `asked`) that were found together.
fn outcomes(prepare: impl Fn(&mut Names), asked: &[&str]) -> BTreeSet<Vec<String>> {
    let left = |seed| {
        let mut names = Names::new();
        prepare(&mut names);
        names.power_lost(&mut Rng::with_seed(seed));
        names.collect();
        asked.iter().filter(|path| exists(&names, path)).map(|path| (*path).to_owned()).collect()
    };
    (0..300).map(left).collect()
}

fn exists(names: &Names, path: &str) -> bool {
    names.find(Path::new(path)).is_ok_and(|found| found.is_some())
}

fn check(prepare: impl Fn(&mut Names), asked: &[&str], expected: &[&[&str]]) {
    let expected = expected.iter().map(|paths| paths.iter().map(|path| (*path).to_owned()).collect()).collect();
    assert_eq!(outcomes(prepare, asked), expected);
}

fn create(names: &mut Names, path: &str) {
    names.create_file(Path::new(path)).unwrap();
}

fn sync(names: &mut Names, path: &str) {
    let directory = names.directory(Path::new(path)).unwrap();
    names.sync(directory, names.next_order());
}

fn rename(names: &mut Names, from: &str, to: &str) {
    names.rename(Path::new(from), Path::new(to)).unwrap();
}

#[test]
fn an_unsynced_name_may_be_gone_and_a_synced_one_stays() {
    check(|names| create(names, "a"), &["a"], &[&[], &["a"]]);
    let synced = |names: &mut Names| {
        create(names, "a");
        sync(names, "/");
    };
    check(synced, &["a"], &[&["a"]]);
}

#[test]
fn a_rename_leaves_the_old_or_the_new_name_never_both_or_none() {
    let renamed = |names: &mut Names| {
        create(names, "a");
        sync(names, "/");
        rename(names, "a", "b");
    };
    check(renamed, &["a", "b"], &[&["a"], &["b"]]);
}

#[test]
fn a_synced_rename_takes_the_creation_it_builds_on_with_it() {
    let moved = |names: &mut Names| {
        names.create_dir_all(Path::new("to")).unwrap();
        sync(names, "/");
        create(names, "a");
        rename(names, "a", "to/a");
        sync(names, "to");
    };
    check(moved, &["a", "to/a"], &[&["to/a"]]);
}

#[test]
fn names_in_a_lost_directory_are_lost() {
    let nested = |names: &mut Names| {
        names.create_dir_all(Path::new("d")).unwrap();
        create(names, "d/a");
        sync(names, "d");
    };
    check(nested, &["d", "d/a"], &[&[], &["d", "d/a"]]);
}

#[test]
fn an_unsynced_removal_may_come_back() {
    let removed = |names: &mut Names| {
        create(names, "a");
        sync(names, "/");
        names.remove_file(Path::new("a")).unwrap();
    };
    check(removed, &["a"], &[&[], &["a"]]);
}

#[test]
fn a_replaced_file_is_the_old_or_the_new_one() {
    let mut found = BTreeSet::new();
    for seed in 0..100 {
        let mut names = Names::new();
        create(&mut names, "a");
        create(&mut names, "a.tmp");
        sync(&mut names, "/");
        let [old, new] = ["a", "a.tmp"].map(|path| names.find(Path::new(path)).unwrap());
        rename(&mut names, "a.tmp", "a");
        names.power_lost(&mut Rng::with_seed(seed));
        let left = names.find(Path::new("a")).unwrap();
        assert!(left == old || left == new);
        found.insert(left == new);
    }
    assert_eq!(found.len(), 2, "both happen");
}

#[test]
fn a_sync_covers_only_what_came_before_it_began() {
    let mut names = Names::new();
    create(&mut names, "a");
    let began = names.next_order();
    create(&mut names, "b");
    names.sync(ROOT, began);
    let left = (0..100).map(|seed| {
        let mut copy = Names { pending: names.pending.clone(), ..Names::new() };
        copy.directories.get_mut(&ROOT).unwrap().durable = names.directories[&ROOT].durable.clone();
        copy.power_lost(&mut Rng::with_seed(seed));
        (exists(&copy, "a"), exists(&copy, "b"))
    });
    assert_eq!(left.collect::<BTreeSet<_>>(), BTreeSet::from([(true, false), (true, true)]));
}

#[test]
fn random_changes_keep_every_file_at_one_place_and_synced_names_in_place() {
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let mut names = Names::new();
        names.create_dir_all(Path::new("d0")).unwrap();
        names.create_dir_all(Path::new("d1")).unwrap();
        sync(&mut names, "/");
        for _ in 0..30 {
            random_change(&mut names, &mut rng);
        }
        sync(&mut names, "d0");
        sync(&mut names, "d1");
        let synced: Vec<Entries> = ["d0", "d1"].map(|path| names.children(Path::new(path)).unwrap().clone()).into();
        names.power_lost(&mut rng);
        names.collect();
        let left: Vec<Entries> = ["d0", "d1"].map(|path| names.children(Path::new(path)).unwrap().clone()).into();
        assert_eq!(left, synced, "seed {seed}");
        for _ in 0..30 {
            random_change(&mut names, &mut rng);
        }
        names.power_lost(&mut rng);
        names.collect();
        let numbers = ["d0", "d1"].map(|path| names.children(Path::new(path)).unwrap().values().copied().collect());
        let [first, second]: [Vec<Number>; 2] = numbers;
        let all: BTreeSet<Number> = first.iter().chain(&second).copied().collect();
        assert_eq!(all.len(), first.len() + second.len(), "seed {seed}: a file stands at two places");
    }
}

fn random_change(names: &mut Names, rng: &mut Rng) {
    let mut path = || format!("d{}/f{}", rng.u8(0..2), rng.u8(0..4));
    let (one, other) = (path(), path());
    let (one, other) = (Path::new(&one), Path::new(&other));
    // Changes of what is not there fail, which is fine.
    match rng.u8(0..5) {
        0 => drop(names.remove_file(one)),
        1 => drop(names.rename(one, other)),
        2 => sync(names, if rng.bool() { "d0" } else { "d1" }),
        _ if names.find(one).unwrap().is_none() => drop(names.create_file(one)),
        _ => {}
    }
}
