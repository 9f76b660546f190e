//! `--generate`: proposes a plan that spreads topics over brokers, as the controller would place new ones.

use super::log_dirs::LogDirs;
use super::plan::{self, Assignments, document, duplicates, joined};
use super::stopped::Stopped;
use super::topics;
use ottla_client::{Admin, BrokerAddress, Client};
use ottla_metadata::placement::{UsableBroker, place};
use ottla_terminal::output::write_out;
use ottla_types::{NodeId, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn generate(
    client: &Client,
    text: &str,
    broker_list: &str,
    is_rack_aware: bool,
) -> Result<(), Stopped> {
    let (wanted, topics) = (brokers_of(broker_list)?, plan::topics(text)?);
    let admin = Admin::new(client);
    let current = topics::assignments(client, &topics).await?;
    let brokers = topics::brokers(&admin).await?;
    let holders = current.values().flatten().copied().filter(|broker| brokers.contains_key(broker));
    let log_dirs = LogDirs::of(&admin, &holders.collect()).await?;
    let usable = usable(&brokers, &wanted, is_rack_aware)?;
    let proposed = propose(&current, &usable, || fastrand::u64(..))?;
    let (current, proposed) =
        (document(&current, &log_dirs.current(&current))?, document(&proposed, &BTreeMap::new())?);
    Ok(write_out(&format!(
        "Current partition replica assignment\n{current}\n\nProposed partition reassignment configuration\n{proposed}\n"
    ))?)
}

fn brokers_of(list: &str) -> Result<BTreeSet<i32>, Stopped> {
    let number = |word: &str| word.parse::<i32>().map_err(|_| Stopped::error(format!("For input string: \"{word}\"")));
    let brokers = list.split(',').map(number).collect::<Result<Vec<i32>, Stopped>>()?;
    let twice = duplicates(brokers.iter());
    match twice.is_empty() {
        true => Ok(brokers.into_iter().collect()),
        false => {
            let names = joined(twice, ", ");
            Err(Stopped::error(format!("Broker list contains duplicate entries: [{names}]")))
        }
    }
}

/// Those of the wanted brokers that there are.
fn usable(
    brokers: &BTreeMap<i32, BrokerAddress>,
    wanted: &BTreeSet<i32>,
    is_rack_aware: bool,
) -> Result<Vec<UsableBroker>, Stopped> {
    let found = brokers.iter().filter(|(id, _)| wanted.contains(id));
    let found = found.map(|(id, address)| UsableBroker {
        id: NodeId(*id),
        rack: address.rack.clone().filter(|_| is_rack_aware),
        fenced: false,
    });
    let usable: Vec<UsableBroker> = found.collect();
    let without_rack = usable.iter().filter(|broker| broker.rack.is_none()).count();
    match is_rack_aware && without_rack != 0 && without_rack != usable.len() {
        true => Err(Stopped::error(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment \
             without rack information.",
        )),
        false => Ok(usable),
    }
}

/// Every topic placed anew, with as many replicas as its first partition has.
fn propose(current: &Assignments, usable: &[UsableBroker], seed: impl Fn() -> u64) -> Result<Assignments, Stopped> {
    let mut topics: BTreeMap<&str, Vec<&Vec<i32>>> = BTreeMap::new();
    for (partition, replicas) in current {
        topics.entry(&partition.topic).or_default().push(replicas);
    }
    let mut proposed = Assignments::new();
    for (topic, partitions) in topics {
        let factor = partitions.first().map_or(0, |replicas| replicas.len());
        let placed = place(usable, partitions.len(), factor, seed()).map_err(Stopped::error)?;
        for (index, brokers) in (0..).zip(placed) {
            proposed.insert(TopicPartition::new(topic, index), brokers.iter().map(|broker| broker.0).collect());
        }
    }
    Ok(proposed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(racks: &[Option<&str>]) -> BTreeMap<i32, BrokerAddress> {
        let address =
            |rack: &Option<&str>| BrokerAddress { host: "a".to_string(), port: 1, rack: rack.map(str::to_string) };
        (1..).zip(racks.iter().map(address)).collect()
    }

    #[test]
    fn a_proposal_spreads_the_replicas_of_each_partition() {
        let usable = usable(&brokers(&[None, None, None, None]), &[1, 2, 4].into(), true).unwrap();
        let current = (0..6).map(|index| (TopicPartition::new("t", index), vec![3, 4])).collect();
        let proposed = propose(&current, &usable, || 7).unwrap();
        assert_eq!(proposed.len(), 6);
        for replicas in proposed.values() {
            assert!(replicas.len() == 2 && replicas[0] != replicas[1] && !replicas.contains(&3), "{replicas:?}");
        }
        assert!(propose(&current, &usable[..1], || 7).is_err(), "too few brokers");
    }

    #[test]
    fn racks_count_for_all_brokers_or_for_none() {
        let some = brokers(&[Some("r"), None]);
        assert!(usable(&some, &[1, 2].into(), true).is_err());
        assert!(usable(&some, &[1, 2].into(), false).unwrap().iter().all(|broker| broker.rack.is_none()));
        assert_eq!(usable(&some, &[1, 9].into(), true).unwrap().len(), 1);
    }

    #[test]
    fn the_list_of_brokers_names_each_once() {
        assert_eq!(brokers_of("2,1"), Ok([1, 2].into()));
        assert_eq!(brokers_of("1,1"), Err(Stopped::error("Broker list contains duplicate entries: [1]")));
        assert_eq!(brokers_of("x"), Err(Stopped::error("For input string: \"x\"")));
    }
}
