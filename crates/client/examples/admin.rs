//! Makes a topic and shows the cluster, its topics and its groups.
//!
//! `cargo run -p ottla-client --example admin -- 127.0.0.1:9092 events`

use ottla_client::{Admin, Client, ClientOptions, NewTopic};
use ottla_runtime::{RealOptions, Runtime};
use ottla_types::ErrorCode;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_string());
    let topic = arguments.next().unwrap_or_else(|| "events".to_string());

    let runtime = Runtime::real(RealOptions::default())?;
    let client = Client::new(&runtime, &bootstrap, ClientOptions::default())?;
    let admin = Admin::new(&client);
    let new = NewTopic { name: topic, partitions: Some(3), ..NewTopic::default() };
    match admin.create_topic(&new, false).await {
        Ok(created) => println!("made topic {} ({})", created.name, created.topic_id),
        Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => println!("topic {} is there", new.name),
        Err(error) => return Err(error.into()),
    }
    let cluster = admin.describe_cluster().await?;
    println!("cluster {} with brokers {:?}", cluster.cluster_id, cluster.brokers.keys().collect::<Vec<_>>());
    for (name, topic) in admin.list_topics().await?.topics {
        println!("topic {name}: {} partitions", topic.partitions?.len());
    }
    for group in admin.list_groups(&[], &[]).await? {
        let described = admin.describe_group(&group.group_id).await?;
        println!("group {}: {}, {} members", group.group_id, described.state, described.members.len());
    }
    Ok(())
}
