//! Phases and verdicts, checked one by one.

use super::*;

fn refused(code: ErrorCode) -> ClientError {
    ClientError::Broker { subject: "x".to_string(), code, message: None }
}

fn lost() -> ClientError {
    ClientError::Disconnected { address: "a:1".to_string(), reason: "gone".to_string() }
}

fn open(is_v2: bool) -> Transactions {
    let mut transactions = Transactions::new("orders".to_string());
    transactions.begin_init().unwrap();
    transactions.learn_version(is_v2, true);
    transactions.can_bump = true;
    transactions.ready();
    transactions.begin().unwrap();
    transactions
}

fn key(partition: i32) -> Key {
    ("t".into(), partition)
}

#[test]
fn calls_out_of_order_are_told_what_comes_first() {
    let mut transactions = Transactions::new("orders".to_string());
    let told = |result: Result<(), ClientError>| result.unwrap_err().to_string();
    assert!(told(transactions.begin()).contains("init_transactions must come first"));
    assert!(told(transactions.check_open()).contains("begin_transaction comes first"));
    assert!(told(transactions.begin_end(true)).contains("no transaction is open"));
    let mut transactions = open(true);
    assert!(told(transactions.begin()).contains("open already"));
    assert!(told(transactions.begin_init()).contains("called before"));
    transactions.begin_end(true).unwrap();
    assert!(told(transactions.begin_end(false)).contains("commit_transaction has not ended; call it again"));
    transactions.begin_end(true).unwrap();
}

#[test]
fn version_1_adds_partitions_before_the_first_batch_and_version_2_does_not() {
    let mut one = open(false);
    assert!(one.touch(&key(0)) && !one.touch(&key(0)));
    assert!(!one.may_send(&key(0), false) && !one.has_started);
    let wanted = one.to_add();
    one.added(&wanted);
    assert!(one.may_send(&key(0), false) && one.has_started && one.to_add().is_empty());
    assert!(!one.touch(&key(0)) && one.touch(&key(1)));
    let mut two = open(true);
    assert!(!two.touch(&key(0)) && two.may_send(&key(0), false) && two.has_started);
}

#[test]
fn an_abortable_error_stops_everything_but_the_abort() {
    let mut transactions = open(false);
    let told = transactions.fail(Step::Produce, refused(ErrorCode::MessageTooLarge));
    assert!(told.needs_abort() && !told.is_fenced(), "{told}");
    assert!(transactions.check_open().unwrap_err().needs_abort());
    assert!(transactions.begin_end(true).unwrap_err().needs_abort());
    transactions.begin_end(false).unwrap();
    assert!(transactions.needs_bump, "version 1 keeps late batches out with a new epoch");
    transactions.ready();
    transactions.begin().unwrap();
}

#[test]
fn a_fenced_producer_can_do_nothing_any_more() {
    let mut transactions = open(true);
    let told = transactions.fail(Step::End { committed: true }, refused(ErrorCode::ProducerFenced));
    assert!(told.is_fenced() && !told.needs_abort(), "{told}");
    for result in [transactions.begin(), transactions.begin_end(false), transactions.check_open()] {
        assert!(result.unwrap_err().is_fenced());
    }
    assert!(transactions.fail(Step::Produce, lost()).is_fenced(), "what comes later changes nothing");
}

#[test]
fn a_refused_init_may_be_tried_again() {
    let mut transactions = Transactions::new("orders".to_string());
    transactions.begin_init().unwrap();
    let told = transactions.fail(Step::Init, refused(ErrorCode::TransactionalIdAuthorizationFailed));
    assert_eq!(told.code(), Some(ErrorCode::TransactionalIdAuthorizationFailed));
    transactions.begin_init().unwrap();
}

#[test]
fn raising_the_transaction_version_needs_a_new_epoch() {
    let mut transactions = open(false);
    transactions.learn_version(true, false);
    assert!(transactions.needs_bump);
    let mut first = Transactions::new("orders".to_string());
    first.learn_version(true, true);
    assert!(!first.needs_bump);
}

#[test]
fn every_error_has_the_verdict_that_kafka_gives_it() {
    use ErrorCode as E;
    let commit = Step::End { committed: true };
    let abort = Step::End { committed: false };
    let cases = [
        (Step::Init, E::ConcurrentTransactions, Verdict::Again),
        (Step::Init, E::NotCoordinator, Verdict::Again),
        (Step::Init, E::InvalidProducerEpoch, Verdict::Fatal),
        (Step::Init, E::ProducerFenced, Verdict::Fatal),
        (Step::Init, E::TransactionalIdAuthorizationFailed, Verdict::Abort),
        (Step::Init, E::InvalidTransactionTimeout, Verdict::Fatal),
        (Step::AddPartitions, E::ConcurrentTransactions, Verdict::Again),
        (Step::AddPartitions, E::TopicAuthorizationFailed, Verdict::Abort),
        (Step::AddPartitions, E::UnknownProducerId, Verdict::AbortAndBump),
        (Step::AddPartitions, E::InvalidTxnState, Verdict::Fatal),
        (Step::AddPartitions, E::OperationNotAttempted, Verdict::Abort),
        (Step::AddOffsets, E::GroupAuthorizationFailed, Verdict::Abort),
        (Step::AddOffsets, E::InvalidProducerIdMapping, Verdict::Fatal),
        (Step::CommitOffsets, E::UnstableOffsetCommit, Verdict::Again),
        (Step::CommitOffsets, E::IllegalGeneration, Verdict::Abort),
        (Step::CommitOffsets, E::FencedInstanceId, Verdict::Abort),
        (Step::CommitOffsets, E::OffsetMetadataTooLarge, Verdict::Fatal),
        (Step::Produce, E::InvalidProducerEpoch, Verdict::AbortAndBump),
        (Step::Produce, E::InvalidTxnState, Verdict::AbortAndBump),
        (Step::Produce, E::NotEnoughReplicas, Verdict::AbortAndBump),
        (Step::Produce, E::TransactionalIdAuthorizationFailed, Verdict::Fatal),
        (commit, E::TransactionAbortable, Verdict::Abort),
        (abort, E::TransactionAbortable, Verdict::Fatal),
        (commit, E::InvalidTxnState, Verdict::Fatal),
        (commit, E::InvalidProducerEpoch, Verdict::Fatal),
        (commit, E::CoordinatorLoadInProgress, Verdict::Again),
    ];
    for (step, code, expected) in cases {
        assert_eq!(verdict(step, &refused(code)), expected, "{code} at {step:?}");
    }
    assert_eq!(verdict(commit, &lost()), Verdict::Again);
    assert_eq!(verdict(Step::Produce, &lost()), Verdict::AbortAndBump);
}
