use super::*;

fn at(partition: i32, offset: i64) -> (TopicPartition, i64) {
    (TopicPartition::new("t", partition), offset)
}

#[test]
fn offsets_stay_between_the_ends() {
    let (earliest, latest) = ([at(0, 10), at(1, 10), at(2, 10)].into(), [at(0, 20), at(1, 20), at(2, 20)].into());
    let (offsets, notes) = within([at(0, 5), at(1, 15), at(2, 25)].into(), &earliest, &latest);
    assert_eq!(offsets, [at(0, 10), at(1, 15), at(2, 20)].into());
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "New offset (5) is lower than earliest offset for topic partition t-0. Value will be set to 10",
            "New offset (25) is higher than latest offset for topic partition t-2. Value will be set to 20",
        ]
    );
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
