//! What a node is: its id, its roles and its part in the metadata quorum.

use super::keys;

keys! { pub(super) KEYS
    "background.threads" Int "10" min(1) High ClusterWide Accepted
        "Threads for background work of the broker.";
    "broker.heartbeat.interval.ms" Int "2000" any Medium ReadOnly Accepted
        "How often a broker reports to the controller that it lives.";
    "broker.id" Int "-1" any High ReadOnly Implemented
        "Old name of node.id; when both are set they must be equal.";
    "broker.rack" String null any Medium ReadOnly Implemented
        "Rack or zone of this broker; replicas of a partition are spread over racks.";
    "broker.session.timeout.ms" Int "9000" any Medium ReadOnly Accepted
        "A broker that has not been heard of for this long is fenced and loses its leaderships.";
    "config.providers" List "" list Low ClusterWide Accepted
        "Names of providers that fill in config values from elsewhere.";
    "controlled.shutdown.enable" Boolean "true" any Medium ReadOnly Accepted
        "Whether leaderships move away before a broker stops.";
    "controller.listener.names" List "" list High ReadOnly Implemented
        "Listeners that serve the controller; they are bound but never advertised to clients."
        kafka "required" because "a node without a controller listener serves the quorum on its broker listener";
    "controller.performance.always.log.threshold.ms" Long "2000" min(0) Internal ReadOnly Accepted
        "A controller event slower than this is logged.";
    "controller.performance.sample.period.ms" Long "60000" min(100) Internal ReadOnly Accepted
        "How often the controller logs how slow its events were.";
    "controller.quorum.append.linger.ms" Int "25" min(0) Medium ReadOnly Accepted
        "How long the quorum's leader gathers records before it writes them.";
    "controller.quorum.auto.join.enable" Boolean "false" any Low ReadOnly Accepted
        "Whether a controller that is no voter adds itself.";
    "controller.quorum.bootstrap.servers" List "" list High ReadOnly Accepted
        "Addresses of controllers through which the quorum is found.";
    "controller.quorum.election.backoff.max.ms" Int "1000" min(0) High ReadOnly Accepted
        "Longest random pause after a failed election.";
    "controller.quorum.election.timeout.ms" Int "1000" min(0) High ReadOnly Accepted
        "How long a candidate waits for votes before it tries again.";
    "controller.quorum.fetch.max.bytes" Int "1048576" min(1) Low ReadOnly Accepted
        "Largest piece of the metadata log that one fetch returns.";
    "controller.quorum.fetch.snapshot.max.bytes" Int "1048576" min(1) Low ReadOnly Accepted
        "Largest piece of a metadata snapshot that one fetch returns.";
    "controller.quorum.fetch.timeout.ms" Int "2000" min(0) High ReadOnly Accepted
        "A follower that has not heard from the quorum's leader for this long stands for election.";
    "controller.quorum.request.timeout.ms" Int "2000" min(0) Medium ReadOnly Accepted
        "How long a quorum member waits for an answer of another.";
    "controller.quorum.retry.backoff.ms" Int "20" min(0) Low ReadOnly Accepted
        "Pause before a failed request to another quorum member is repeated.";
    "controller.quorum.voters" List "" list High ReadOnly Accepted
        "Voters of the metadata quorum as id@host:port, comma-separated.";
    "early.start.listeners" List null list High ReadOnly Accepted
        "Listeners that answer before the broker is fully started.";
    "initial.broker.registration.timeout.ms" Int "60000" any Medium ReadOnly Accepted
        "How long a starting broker tries to register with the controller.";
    "internal.metadata.delete.delay.millis" Long "60000" any Internal ReadOnly Accepted
        "How long deleted files of the metadata log stay on disk.";
    "internal.metadata.log.segment.bytes" Int null any Internal ReadOnly Accepted
        "Segment size of the metadata log in tests.";
    "internal.metadata.max.batch.size.in.bytes" Int "8388608" any Internal ReadOnly Accepted
        "Largest batch of the metadata log.";
    "logging.format" String "text" one_of("text", "json") Medium ReadOnly Implemented
        "How lines of the node's own log look: text for people, or a JSON object each." = ours;
    "logging.level" String "info" non_empty Medium ReadOnly Implemented
        "What the node logs when it starts: error, warn, info, debug or trace, or a list such as info,ottla_storage=debug."
        = ours;
    "metadata.log.dir" String null any High ReadOnly Implemented
        "Directory of the metadata log; without it the first log directory.";
    "metadata.log.max.record.bytes.between.snapshots" Long "20971520" min(1) High ReadOnly Implemented
        "A snapshot of the metadata is taken after this many bytes of records.";
    "metadata.log.max.snapshot.interval.ms" Long "3600000" min(0) High ReadOnly Implemented
        "A snapshot of the metadata is taken at the latest after this time.";
    "metadata.log.segment.bytes" Int "1073741824" min(8388608) High ReadOnly Accepted
        "Largest segment of the metadata log.";
    "metadata.log.segment.ms" Long "604800000" any High ReadOnly Accepted
        "Longest time a segment of the metadata log stays the active one.";
    "metadata.max.idle.interval.ms" Int "500" min(0) Low ReadOnly Accepted
        "How often an idle controller writes an empty record.";
    "metadata.max.retention.bytes" Long "104857600" any High ReadOnly Accepted
        "Bytes of metadata log and snapshots that are kept.";
    "metadata.max.retention.ms" Long "604800000" any High ReadOnly Accepted
        "How long metadata log and snapshots are kept.";
    "node.id" Int "1" min(0) High ReadOnly Implemented
        "Id of this node; unique in the cluster, 0 is allowed."
        kafka "required" because "one node without any config is a whole cluster";
    "process.roles" List "broker,controller" non_empty_list_of("broker", "controller") High ReadOnly Implemented
        "Roles of this node: broker, controller or both."
        kafka "required" because "one node without any config is a whole cluster";
    "server.max.startup.time.ms" Long "9223372036854775807" min(0) Internal ReadOnly Accepted
        "A start that takes longer than this is given up.";
    "unstable.api.versions.enable" Boolean "false" any Internal ReadOnly Accepted
        "Whether API versions that are not final yet are offered.";
    "unstable.feature.versions.enable" Boolean "false" any Internal ReadOnly Accepted
        "Whether feature levels that are not final yet are offered.";
}
