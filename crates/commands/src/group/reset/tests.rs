use super::*;

fn at(partition: i32, offset: i64) -> (TopicPartition, i64) {
    (TopicPartition::new("t", partition), offset)
}

#[test]
fn a_plan_is_what_the_command_printed_or_lines() {
    let changes = vec![
        Change { topic: "t".to_string(), partition: 0, before: None, after: 3 },
        Change { topic: "t".to_string(), partition: 1, before: Some(9), after: 4 },
    ];
    let reset = Reset { group: "g".to_string(), executed: false, offsets: changes };
    let plan = [at(0, 3), at(1, 4)].into();
    assert_eq!(parse_plan(&serde_json::to_string(&reset).unwrap()), Ok(plan));
    assert_eq!(parse_plan(&serde_yaml_ng::to_string(&reset).unwrap()).unwrap().len(), 2);
    assert_eq!(parse_plan("t,0,3\n\"t\",1,4\n\n").unwrap().len(), 2);
    assert!(parse_plan("t,0\n").unwrap_err().starts_with("line 1 "));
    let expected = "\
TOPIC  PARTITION  BEFORE  AFTER  MOVED
t              0       -      3      -
t              1       9      4     -5
Nothing was changed. Add --execute to do it.
";
    assert_eq!(render(&reset), expected);
}

#[test]
fn one_place_is_named_whether_all_groups_know_it_or_not() {
    use crate::testing::parsed;
    let target = |line: &str| match parsed::<Args>(&format!("g --topic t {line}")) {
        Ok(args) => args.target().map_err(|failure| failure.cause),
        Err(error) => Err(format!("{:?}", error.kind())),
    };
    assert_eq!(target("--to-earliest"), Ok(Target::Earliest));
    assert_eq!(target("--to-offset 7"), Ok(Target::Offset(7)));
    assert_eq!(target("--to-datetime 1970-01-01T00:00:01"), Ok(Target::Timestamp(1000)));
    assert_eq!(target("--to-current"), Ok(Target::Current));
    assert_eq!(target("--shift-by -3"), Ok(Target::ShiftBy(-3)));
    assert_eq!(target(""), Err("MissingRequiredArgument".to_string()));
    for two in ["--to-earliest --to-latest", "--to-latest --to-current", "--to-offset 1 --shift-by 1"] {
        assert_eq!(target(two), Err("ArgumentConflict".to_string()), "{two}");
    }
}
