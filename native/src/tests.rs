//! The shell with real sockets on loopback: an echo behind it, plain sockets of the standard library in front.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use medinova_core::address::{Address, Path};
use medinova_core::outbox::Outbox;

use crate::plane::Plane;
use crate::receive::Receiver;
use crate::run::{Running, Settings};
use crate::send::{PAUSE, Sender};
use crate::socket::{Options, Socket};
use crate::system;
use crate::tally::{Number, Tally};

const SOON: Duration = Duration::from_secs(5);

enum Order {
    Note(u32),
    Hold(Duration),
    Say(Path),
    Break,
}

/// Sends everything back to where it came from; notes orders as events.
#[derive(Default)]
struct Echo {
    outbox: Outbox<usize>,
    notes: Vec<u32>,
    late: bool, // something arrived before it was sent, or long before now
}

impl Plane for Echo {
    type Key = usize;
    type Command = Order;
    type Event = u32;

    fn obey(&mut self, order: Order, _now: f64) {
        match order {
            Order::Note(number) => self.notes.push(number),
            Order::Hold(time) => system::nap(time),
            Order::Say(path) => self.outbox.plain(path, |room| room.extend_from_slice(b"goodbye")),
            Order::Break => panic!("told to break"),
        }
    }

    fn handle(&mut self, datagram: &mut [u8], path: Path, now: f64, arrived: f64) {
        self.late |= !(0.0..1.0).contains(&(now - arrived));
        self.outbox.plain(path, |room| room.extend_from_slice(datagram));
    }

    fn tick(&mut self, _now: f64) {}

    fn queued(&self) -> usize {
        self.outbox.len()
    }

    fn seal(&mut self, group: bool) -> &Outbox<usize> {
        assert!(!self.late, "arrival times are off");
        self.outbox.seal(group, &mut Nobody);
        &self.outbox
    }

    fn clear(&mut self) {
        self.outbox.clear();
    }

    fn has_events(&self) -> bool {
        !self.notes.is_empty()
    }

    fn report(&mut self, events: &mut Vec<u32>) {
        events.append(&mut self.notes);
    }
}

struct Nobody;

impl medinova_core::outbox::Keys for Nobody {
    type Key = usize;

    fn number(key: usize) -> usize {
        key
    }

    fn srtp(&mut self, _key: usize) -> Option<&mut medinova_core::srtp::Srtp> {
        None
    }
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn echo(addresses: &[&str], settings: Settings) -> (Running<Echo>, u16) {
    let socket = Socket::open(&ips(addresses), 0, Options::default()).unwrap();
    let port = socket.port();
    (Running::start(Echo::default(), socket, settings).unwrap(), port)
}

fn client(at: &str, to: (&str, u16)) -> UdpSocket {
    let client = UdpSocket::bind((at, 0)).unwrap();
    client.connect(to).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    client
}

fn read(client: &UdpSocket) -> Vec<u8> {
    let mut room = [0; 4096];
    let size = client.recv(&mut room).unwrap();
    room[..size].to_vec()
}

fn soon(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "it did not happen in {SOON:?}");
        std::thread::yield_now();
    }
}

/// Addresses to listen on; then pairs of client and server.
type Case = (&'static [&'static str], &'static [(&'static str, &'static str)]);

#[test]
fn what_comes_to_an_address_is_answered_from_it() {
    // a connected client takes no datagram from another address
    let cases: &[Case] = &[
        (&["127.0.0.1"], &[("127.0.0.1", "127.0.0.1")]),
        (&["::1"], &[("::1", "::1")]),
        (&["127.0.0.1", "127.1.2.3"], &[("127.0.0.1", "127.0.0.1"), ("127.0.0.9", "127.1.2.3")]),
        (&["127.0.0.1", "::1"], &[("127.0.0.1", "127.0.0.1"), ("::1", "::1")]),
        (&["127.0.0.1", "127.1.2.3", "::1"], &[("127.0.0.1", "127.1.2.3"), ("::1", "::1")]),
        (&["0.0.0.0"], &[("127.0.0.1", "127.9.9.9")]),
        (&["::"], &[("127.0.0.1", "127.9.9.9"), ("::1", "::1")]),
    ];
    for (listen, pairs) in cases {
        let (running, port) = echo(listen, Settings::default());
        for &(from, to) in *pairs {
            let client = client(from, (to, port));
            client.send(to.as_bytes()).unwrap();
            assert_eq!(read(&client), to.as_bytes(), "{from} to {to} of {listen:?}");
        }
        assert_eq!(running.failed(), None);
    }
}

#[test]
fn what_comes_to_another_address_is_dropped_and_counted() {
    let (running, port) = echo(&["127.0.0.1", "::1"], Settings::default());
    let (stranger, known) = (client("127.0.0.1", ("127.1.2.3", port)), client("127.0.0.1", ("127.0.0.1", port)));
    stranger.send(b"to another").unwrap();
    known.send(b"to us").unwrap();
    assert_eq!(read(&known), b"to us");
    stranger.set_nonblocking(true).unwrap();
    assert_eq!(stranger.recv(&mut [0; 9]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let tally = running.tally();
    // it counts behind the call that sends
    soon(|| [&tally.datagrams_in, &tally.other_address, &tally.datagrams_out].map(Number::get) == [2, 1, 1]);
}

#[test]
fn datagrams_of_all_sizes_come_back_whole_and_in_order() {
    for gso in [false, true] {
        let (running, port) = echo(&["127.0.0.1"], Settings { gso, batch: 8, ..Settings::default() });
        let client = client("127.0.0.1", ("127.0.0.1", port));
        for size in [0, 1, 7, 1200, 1200, 1200, 1199, 0, 1500, 2048] {
            client.send(&vec![size as u8; size]).unwrap();
            assert_eq!(read(&client), vec![size as u8; size]);
        }
        client.send(&[1; 3000]).unwrap();
        // with GRO there is room, and the plane is the one to call it too long
        assert!(read(&client).len() >= 2048);
        assert_eq!(running.failed(), None);
    }
}

#[test]
fn a_taken_port_and_addresses_we_do_not_have_are_errors() {
    let taken = Socket::open(&ips(&["127.0.0.1"]), 0, Options::default()).unwrap();
    let cases: &[(&[&str], u16)] =
        &[(&["127.0.0.1"], taken.port()), (&["192.0.2.1"], 0), (&[], 0), (&["fe80::1"], 0), (&["127.0.0.1"; 65], 0)];
    for (addresses, port) in cases {
        assert!(Socket::open(&ips(addresses), *port, Options::default()).is_err(), "{addresses:?}");
    }
}

#[test]
fn it_stops_while_busy() {
    let (mut running, port) = echo(&["127.0.0.1"], Settings::default());
    let client = client("127.0.0.1", ("127.0.0.1", port));
    let sending = std::thread::spawn(move || {
        // until the socket is gone: then the kernel says so
        let end = Instant::now() + SOON;
        while client.send(&[7; 1000]).is_ok() && Instant::now() < end {}
        assert!(Instant::now() < end);
    });
    soon(|| running.tally().datagrams_out.get() > 1000);
    assert!(running.thread_id() > 0);
    running.stop();
    sending.join().unwrap();
    running.stop();
    assert_eq!(running.failed(), None);
}

#[test]
fn what_was_asked_for_before_it_stops_is_done_and_sent() {
    let (mut running, port) = echo(&["127.0.0.1"], Settings::default());
    let client = client("127.0.0.1", ("127.0.0.1", port));
    let path = Path { local: client.peer_addr().unwrap().into(), remote: client.local_addr().unwrap().into() };
    assert!(running.command(Order::Hold(Duration::from_millis(50))).is_ok());
    soon(|| running.tally().commands_high_water.get() > 0);
    for number in 0..300 {
        let order = if number < 200 { Order::Note(number) } else { Order::Say(path) };
        assert!(running.command(order).is_ok());
    }
    running.stop();
    assert_eq!((running.commands_waiting(), running.failed()), (0, None));
    for _ in 200..300 {
        assert_eq!(read(&client), b"goodbye");
    }
}

#[test]
fn a_panic_inside_is_told_and_ends_the_thread() {
    let (mut running, _) = echo(&["127.0.0.1"], Settings::default());
    assert!(running.command(Order::Break).is_ok());
    assert!(system::wait_readable([running.events().fd(), running.events().fd()], SOON)[0]);
    assert_eq!(running.failed(), Some("told to break"));
    running.stop();
}

#[test]
fn commands_are_done_in_order_and_refused_at_the_bound() {
    let (running, _) = echo(&["127.0.0.1"], Settings { commands: 100, ..Settings::default() });
    assert!(running.command(Order::Hold(Duration::from_millis(50))).is_ok());
    let taken = (0..200).filter(|&number| running.command(Order::Note(number)).is_ok()).count() as u32;
    assert!((99..200).contains(&taken), "{taken}");
    let mut told = Vec::new();
    soon(|| {
        told.extend(running.events().take());
        told.len() as u32 == taken
    });
    assert!(told.is_sorted());
    assert_eq!((running.commands_waiting(), running.tally().commands_high_water.get()), (0, 100));
}

#[test]
fn a_command_wakes_a_thread_that_sleeps() {
    let (running, _) = echo(&["127.0.0.1"], Settings::default());
    for number in 0..50 {
        std::thread::sleep(Duration::from_micros(u64::from(number) * 37));
        assert!(running.command(Order::Note(number)).is_ok());
        assert!(system::wait_readable([running.events().fd(), -1], SOON)[0], "{number}");
        assert_eq!(running.events().take(), [number]);
    }
}

#[test]
fn what_the_kernel_merged_is_split_again() {
    let cases: &[Case] = &[
        (&["127.0.0.1"], &[("127.0.0.1", "127.0.0.1")]),
        (&["127.0.0.1", "127.1.2.3", "::1"], &[("127.1.2.3", "127.1.2.3"), ("127.0.0.1", "127.1.2.3"), ("::1", "::1")]),
    ];
    for (listen, pairs) in cases {
        let [from, to] = [(), ()].map(|()| Socket::open(&ips(listen), 0, Options::default()).unwrap());
        assert!(from.gso() && to.gro(), "this kernel has neither GSO nor GRO");
        for &(local, remote) in *pairs {
            let [local, remote] = [(local, from.port()), (remote, to.port())]
                .map(|(ip, port)| Address::from((ip.parse::<IpAddr>().unwrap(), port)));
            merge_and_split(&from, &to, Path { local, remote });
        }
    }
}

/// Send six datagrams as one run, and have them arrive as they were.
fn merge_and_split(from: &Socket, to: &Socket, path: Path) {
    let datagrams: Vec<Vec<u8>> = (0..6).map(|n| vec![n; if n < 5 { 1000 } else { 400 }]).collect();
    let tally = Tally::default();
    let mut outbox = Outbox::<usize>::default();
    for datagram in &datagrams {
        outbox.open(path, 0, |room| room.extend_from_slice(datagram));
    }
    outbox.seal(true, &mut Nobody);
    Sender::new(from, true).send(from, &outbox, &tally);
    assert_eq!([tally.messages_out.get(), tally.gso_runs.get(), tally.datagrams_out.get()], [1, 1, 6]);
    let mut receiver = Receiver::new(to, 4);
    let mut came = Vec::new();
    soon(|| receiver.receive(to).unwrap() == 1);
    receiver.each(to, &tally, |datagram, way, _| {
        assert_eq!(way, Path { local: path.remote, remote: path.local });
        came.push(datagram.to_vec());
    });
    assert_eq!(came, datagrams);
}

#[test]
fn a_datagram_arrived_when_the_kernel_got_it() {
    let socket = Socket::open(&ips(&["127.0.0.1"]), 0, Options::default()).unwrap();
    let client = client("127.0.0.1", ("127.0.0.1", socket.port()));
    let before = system::monotonic();
    client.send(b"early").unwrap();
    let after = system::monotonic();
    system::nap(Duration::from_millis(20));
    let mut receiver = Receiver::new(&socket, 4);
    assert_eq!(receiver.receive(&socket).unwrap(), 1);
    assert!(receiver.now() - after >= 0.02);
    let slack = 0.001; // the two clocks are read one after the other
    receiver.each(&socket, &Tally::default(), |_, _, arrived| {
        assert!((before - slack..after + slack).contains(&arrived), "{before} {arrived} {after}");
    });
}

#[test]
fn what_the_kernel_dropped_for_want_of_room_is_known() {
    let socket = Socket::open(&ips(&["127.0.0.1"]), 0, Options::default()).unwrap();
    let client = client("127.0.0.1", ("127.0.0.1", socket.port()));
    assert_eq!(socket.drops(), Some(0));
    let sent = (0..20_000).filter(|_| client.send(&[7; 1200]).is_ok()).count();
    let mut receiver = Receiver::new(&socket, 64);
    let tally = Tally::default();
    while receiver.receive(&socket).unwrap() > 0 {
        receiver.each(&socket, &tally, |_, _, _| {});
    }
    let drops = socket.drops().unwrap();
    assert!(drops > 0);
    assert_eq!(tally.datagrams_in.get() as usize + drops as usize, sent);
}

#[test]
fn a_kernel_that_refuses_runs_gets_single_datagrams_and_after_64_refusals_no_more_runs_for_a_while() {
    let from = Socket::open(&ips(&["127.0.0.1", "::1"]), 0, Options::default()).unwrap();
    let to = Socket::open(&ips(&["127.0.0.1"]), 0, Options { gro: false }).unwrap();
    let path = Path { local: from.addresses()[0], remote: to.addresses()[0] };
    let tally = Tally::default();
    let mut outbox = Outbox::<usize>::default();
    let mut sender = Sender::new(&from, true);
    let mut receiver = Receiver::new(&to, 8);
    // refused until it gives up; tried again and refused; tried again and taken
    for round in 1..=68 {
        if round == 66 || round == 68 {
            for _ in 1..PAUSE {
                assert!(!sender.gso());
                sender.send(&from, &outbox, &tally); // nothing, as in a batch
            }
        }
        sender.refuse_runs(round < 68);
        assert_eq!(sender.gso(), round != 65 && round != 67, "{round}");
        let datagrams: Vec<Vec<u8>> = (0..4).map(|n| vec![n; if n < 3 { 1000 } else { 400 }]).collect();
        for (to, datagram) in [0, 0, 1, 0].into_iter().zip(&datagrams) {
            outbox.open(path, to, |room| room.extend_from_slice(datagram));
        }
        outbox.seal(true, &mut Nobody);
        sender.send(&from, &outbox, &tally);
        outbox.clear();
        let mut came = Vec::new();
        while came.len() < datagrams.len() {
            receiver.receive(&to).unwrap();
            receiver.each(&to, &tally, |datagram, _, _| came.push(datagram.to_vec()));
        }
        came.sort_unstable();
        assert_eq!(came, datagrams);
    }
    let counts = [&tally.gso_runs, &tally.gso_refused, &tally.messages_out, &tally.datagrams_out, &tally.send_errors];
    assert_eq!(counts.map(Number::get), [1, 65, 270, 272, 0]);
}

#[test]
fn what_cannot_be_sent_is_counted_and_the_rest_leaves() {
    let socket = Socket::open(&ips(&["127.0.0.1"]), 0, Options::default()).unwrap();
    let nowhere = Address { port: 0, ..socket.addresses()[0] }; // the kernel sends nothing to port 0
    let tally = Tally::default();
    let mut outbox = Outbox::<usize>::default();
    for remote in [nowhere, socket.addresses()[0], nowhere] {
        for _ in 0..2 {
            outbox.open(Path { local: socket.addresses()[0], remote }, 0, |room| room.extend_from_slice(b"some"));
        }
    }
    outbox.seal(true, &mut Nobody);
    let mut sender = Sender::new(&socket, true);
    sender.send(&socket, &outbox, &tally);
    let counts = [&tally.datagrams_out, &tally.send_errors, &tally.gso_refused, &tally.send_dropped];
    assert_eq!((counts.map(Number::get), sender.gso()), ([2, 4, 0, 0], true));
}
