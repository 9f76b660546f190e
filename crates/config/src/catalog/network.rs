//! Listeners, connections and requests.

use super::keys;

keys! { pub(super) KEYS
    "advertised.listeners" List null non_empty_list High ReadOnly Implemented
        "Addresses that clients are told to connect to, one per listener; by default the listeners themselves.";
    "connection.failed.authentication.delay.ms" Int "100" min(0) Low ReadOnly Accepted
        "How long a connection whose authentication failed is kept before it is closed.";
    "connections.max.idle.ms" Long "600000" any Medium ReadOnly Implemented
        "A connection without a request for this long is closed.";
    "fetch.max.bytes" Int "57671680" min(1024) Medium ReadOnly Implemented
        "Most bytes that one Fetch response carries.";
    "http.listener" String null any Medium ReadOnly Implemented
        "Address of /metrics, /healthz, /readyz and /debug, as host:port; without it they are not served."
        = ours;
    "listener.security.protocol.map" String "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"
        any Low ReadOnly Implemented
        "Security protocol of each listener name, as NAME:PROTOCOL pairs.";
    "listeners" List "PLAINTEXT://127.0.0.1:9092" non_empty_list High ReadOnly Implemented
        "Addresses to bind, as NAME://host:port; an empty host binds every interface, port 0 takes a free port."
        kafka "PLAINTEXT://:9092"
        because "an unprotected broker is not opened to the network unasked; changed with a restart only";
    "max.connection.creation.rate" Int "2147483647" min(0) Medium ClusterWide Implemented
        "Most new connections per second.";
    "max.connections" Int "2147483647" min(0) Medium ClusterWide Implemented
        "Most connections of this broker.";
    "max.connections.per.ip" Int "2147483647" min(0) Medium ClusterWide Implemented
        "Most connections from one address.";
    "max.connections.per.ip.overrides" String "" any Medium ClusterWide Implemented
        "Other limits for single addresses, as address:count pairs.";
    "max.incremental.fetch.session.cache.slots" Int "1000" min(0) Medium ReadOnly Implemented
        "Most fetch sessions that are kept.";
    "max.request.partition.size.limit" Int "2000" min(1) Medium ReadOnly Implemented
        "Most partitions in one DescribeTopicPartitions response.";
    "num.io.threads" Int "8" min(1) High ClusterWide Accepted
        "Threads that handle requests.";
    "num.network.threads" Int "3" min(1) High ClusterWide Accepted
        "Threads that read and write sockets.";
    "queued.max.request.bytes" Long "134217728" any Medium ReadOnly Implemented
        "Budget for the bytes of requests that are being received or wait; reading stops when it is used up."
        kafka "-1" because "without a bound, slow large requests use up the memory";
    "queued.max.requests" Int "500" min(1) High ReadOnly Accepted
        "Most requests that wait to be handled.";
    "request.timeout.ms" Int "30000" any High ReadOnly Implemented
        "How long a request of this node to another waits for its answer.";
    "slow.request.log.threshold.ms" Long "1000" min(-1) Medium ReadOnly Implemented
        "A request that takes this node longer is logged; time that a client asked to wait does not count, -1 logs none."
        = ours;
    "socket.connection.setup.timeout.max.ms" Long "30000" any Medium ReadOnly Accepted
        "Longest time to wait for a connection, after repeated failures.";
    "socket.connection.setup.timeout.ms" Long "10000" any Medium ReadOnly Accepted
        "How long to wait for a connection at first.";
    "socket.listen.backlog.size" Int "50" min(1) Medium ReadOnly Implemented
        "How many connections may wait to be accepted.";
    "socket.receive.buffer.bytes" Int "-1" any High ReadOnly Implemented
        "Receive buffer of client sockets; -1 leaves it to the system."
        kafka "102400" because "a fixed buffer turns off the system's own tuning: more system calls, and slow far connections";
    "socket.request.max.bytes" Int "104857600" min(1) High ReadOnly Implemented
        "Largest request frame.";
    "socket.send.buffer.bytes" Int "-1" any High ReadOnly Implemented
        "Send buffer of client sockets; -1 leaves it to the system."
        kafka "102400" because "a fixed buffer turns off the system's own tuning: more system calls, and slow far connections";
}
