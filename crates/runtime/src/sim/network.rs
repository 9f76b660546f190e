//! The simulated network: addresses, listeners, and the links between nodes.
//!
//! All addresses of a world are one name space. A node listens on its own address (also meant by 0.0.0.0) or on 127.0.0.1; the
//! latter is shared by all nodes, so that a test client on a node of its own reaches a broker there as it would on one machine.

pub(crate) mod pipe;

use crate::net::ListenOptions;
use crate::sim::life::Life;
use crate::sim::trace::mix;
use crate::sim::world::Outage;
use fastrand::Rng;
use pipe::{Pipe, SimReceiver, SimSender};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// First of the ports that are given to port 0 and to the connecting side.
const EPHEMERAL_PORT: u16 = 32_768;

/// How long a connection attempt across a cut takes to fail.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What all nodes of a world share of the network.
#[derive(Debug)]
pub(crate) struct Network {
    hosts: BTreeMap<String, IpAddr>,
    listeners: BTreeMap<SocketAddr, Arc<Arrivals>>,
    links: Vec<Weak<Link>>,
    cuts: BTreeSet<(String, String)>,
    pub(crate) travel_time: Range<Duration>,
    pub(crate) rng: Rng,
    next_port: u16,
}

/// Connections that wait to be accepted at one address.
#[derive(Debug)]
struct Arrivals {
    life: Arc<Life>,
    waiting: Mutex<VecDeque<SimConnection>>,
    backlog: usize,
    changed: Notify,
}

/// A connection as the network knows it. `pipes[0]` carries what `nodes[0]` sends.
#[derive(Debug)]
pub(crate) struct Link {
    nodes: [String; 2],
    pipes: [Arc<Pipe>; 2],
}

impl Network {
    pub(crate) fn new(seed: u64) -> Network {
        Network {
            hosts: BTreeMap::from([("localhost".to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST))]),
            listeners: BTreeMap::new(),
            links: Vec::new(),
            cuts: BTreeSet::new(),
            travel_time: Duration::ZERO..Duration::from_millis(3),
            rng: Rng::with_seed(mix(seed, b"network")),
            next_port: EPHEMERAL_PORT,
        }
    }

    pub(crate) fn add_host(&mut self, name: &str, ip: IpAddr) {
        self.hosts.insert(name.to_owned(), ip);
    }

    pub(crate) fn travel_time(&mut self) -> Duration {
        let range = &self.travel_time;
        Duration::from_micros(self.rng.u64(range.start.as_micros() as u64..range.end.as_micros() as u64))
    }

    /// `host:port` with a node's name, `localhost` or an address as host.
    fn resolve(&self, addr: &str) -> io::Result<SocketAddr> {
        let unknown = || io::Error::new(io::ErrorKind::InvalidInput, format!("no such address in this world: {addr}"));
        if let Ok(addr) = addr.parse() {
            return Ok(addr);
        }
        let (host, port) = addr.rsplit_once(':').ok_or_else(unknown)?;
        let ip = self.hosts.get(host).ok_or_else(unknown)?;
        Ok(SocketAddr::new(*ip, port.parse().map_err(|_| unknown())?))
    }

    fn listen(&mut self, life: &Arc<Life>, addr: &str, backlog: u32) -> io::Result<(SocketAddr, Arc<Arrivals>)> {
        let mut addr = self.resolve(addr)?;
        if addr.ip().is_unspecified() {
            addr.set_ip(life.node.ip);
        }
        if addr.ip() != life.node.ip && !addr.ip().is_loopback() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if addr.port() == 0 {
            addr.set_port(self.free_port());
        }
        if self.listeners.contains_key(&addr) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let arrivals = Arc::new(Arrivals {
            life: life.clone(),
            waiting: Mutex::default(),
            backlog: backlog as usize,
            changed: Notify::new(),
        });
        self.listeners.insert(addr, arrivals.clone());
        Ok((addr, arrivals))
    }

    fn free_port(&mut self) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(EPHEMERAL_PORT);
            if !self.listeners.keys().any(|addr| addr.port() == port) {
                return port;
            }
        }
    }

    /// Who listens where `addr` leads from this node: exactly there, or for a local address on the node's own.
    fn listener(&self, from: &Life, addr: SocketAddr) -> Option<(SocketAddr, Arc<Arrivals>)> {
        let is_local = addr.ip().is_loopback() || addr.ip().is_unspecified();
        let own = is_local.then(|| SocketAddr::new(from.node.ip, addr.port()));
        let found = [Some(addr), own].into_iter().flatten().find(|addr| self.listeners.contains_key(addr))?;
        Some((found, self.listeners[&found].clone()))
    }

    fn add_link(&mut self, link: &Arc<Link>) {
        self.links.retain(|link| link.strong_count() > 0);
        self.links.push(Arc::downgrade(link));
    }

    fn links_of(&self, name: &str) -> Vec<Arc<Link>> {
        let links = self.links.iter().filter_map(Weak::upgrade);
        links.filter(|link| link.nodes.iter().any(|node| node == name)).collect()
    }

    /// Resets the node's connections and closes its listeners, which are returned to be dropped outside of the lock. What a
    /// crashed process had sent may still arrive.
    #[must_use]
    pub(crate) fn node_down(&mut self, name: &str, outage: Outage) -> impl Sized + use<> {
        for link in self.links_of(name) {
            for (sender, pipe) in link.nodes.iter().zip(&link.pipes) {
                let was_sent_in_time = sender == name && outage == Outage::Crash && self.rng.bool();
                pipe.reset(was_sent_in_time);
            }
        }
        let closed = self.listeners.extract_if(.., |_, arrivals| arrivals.life.node.name == name);
        let closed: Vec<_> = closed.map(|(_, arrivals)| arrivals).collect();
        closed.iter().for_each(|arrivals| arrivals.changed.notify_one());
        closed
    }

    pub(crate) fn cut(&mut self, one: &str, other: &str) {
        self.cuts.insert(pair(one, other));
        for link in self.links_of(one).iter().filter(|link| link.nodes.iter().any(|node| node == other)) {
            link.pipes.iter().for_each(|pipe| pipe.reset(false));
        }
    }

    pub(crate) fn heal(&mut self, one: &str, other: &str) {
        self.cuts.remove(&pair(one, other));
    }
}

fn pair(one: &str, other: &str) -> (String, String) {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    (first.to_owned(), second.to_owned())
}

/// A listener of a simulated process.
#[derive(Debug)]
pub(crate) struct SimListener {
    arrivals: Arc<Arrivals>,
    pub(crate) addr: SocketAddr,
}

impl SimListener {
    pub(crate) fn listen(life: &Arc<Life>, addr: &str, options: &ListenOptions) -> io::Result<SimListener> {
        life.check_alive()?;
        let listening = life.shared.network().listen(life, addr, options.backlog);
        let (bound, arrivals) =
            listening.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}")))?;
        life.event(format_args!("listen {bound}"));
        Ok(SimListener { arrivals, addr: bound })
    }

    pub(crate) async fn accept(&self) -> io::Result<SimConnection> {
        loop {
            self.arrivals.life.check_alive()?;
            let next = self.arrivals.waiting.lock().expect("the world is intact").pop_front();
            match next {
                Some(connection) => return Ok(connection),
                None => self.arrivals.changed.notified().await,
            }
        }
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut network = self.arrivals.life.shared.network();
        let is_mine = network.listeners.get(&self.addr).is_some_and(|held| Arc::ptr_eq(held, &self.arrivals));
        if is_mine {
            network.listeners.remove(&self.addr);
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct SimConnection {
    pub(crate) receiver: SimReceiver,
    pub(crate) sender: SimSender,
    pub(crate) local_addr: SocketAddr,
    pub(crate) peer_addr: SocketAddr,
}

impl SimConnection {
    pub(crate) async fn connect(life: &Arc<Life>, addr: &str) -> io::Result<SimConnection> {
        let connected = connect(life, addr).await;
        connected.map_err(|error| io::Error::new(error.kind(), format!("cannot connect to {addr}: {error}")))
    }

    fn new(life: &Arc<Life>, link: &Arc<Link>, side: usize, addrs: [SocketAddr; 2]) -> SimConnection {
        SimConnection {
            receiver: SimReceiver::new(life.clone(), link.clone(), link.pipes[1 - side].clone()),
            sender: SimSender::new(life.clone(), link.clone(), side),
            local_addr: addrs[side],
            peer_addr: addrs[1 - side],
        }
    }
}

async fn connect(life: &Arc<Life>, addr: &str) -> io::Result<SimConnection> {
    life.check_alive()?;
    let (target, travel_time) = {
        let mut network = life.shared.network();
        (network.resolve(addr)?, network.travel_time())
    };
    tokio::time::sleep(travel_time).await;
    let found = life.shared.network().listener(life, target);
    let (server_addr, arrivals) = found.ok_or(io::ErrorKind::ConnectionRefused)?;
    let nodes = [life.node.name.clone(), arrivals.life.node.name.clone()];
    let is_cut = life.shared.network().cuts.contains(&pair(&nodes[0], &nodes[1]));
    if is_cut {
        tokio::time::sleep(CONNECT_TIMEOUT).await;
        return Err(io::ErrorKind::TimedOut.into());
    }
    life.check_alive()?;
    let link = Arc::new(Link { nodes, pipes: [Arc::default(), Arc::default()] });
    let addrs = {
        let mut network = life.shared.network();
        network.add_link(&link);
        let ip = if server_addr.ip().is_loopback() { server_addr.ip() } else { life.node.ip };
        [SocketAddr::new(ip, network.free_port()), server_addr]
    };
    life.event(format_args!("connect {} to {}", addrs[0], addrs[1]));
    let mut waiting = arrivals.waiting.lock().expect("the world is intact");
    if waiting.len() >= arrivals.backlog {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    waiting.push_back(SimConnection::new(&arrivals.life, &link, 1, addrs));
    arrivals.changed.notify_one();
    Ok(SimConnection::new(life, &link, 0, addrs))
}
