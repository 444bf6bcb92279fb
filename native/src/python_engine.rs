//! The engine on its thread, as Python has it. No call waits for that thread but `close`.

use std::net::IpAddr;
use std::sync::Arc;

use medinova_core::counter::{Counter, Counters};
use medinova_core::id::{DownId, PeerId, UpId};
use medinova_core::tap::Taps;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::command::Command;
use crate::desk::Desk;
use crate::engine::{Board, Engine as Plane, Notice};
use crate::python::{dict, event, os_error, tapped};
use crate::python_parameters::{Down, Ice, Keys, Up};
use crate::run::{Running, Settings};
use crate::socket::{Options, Socket};

/// `media.engine.Engine`, its events and tapped packets fetched by methods.
#[pyclass(module = "media._engine")]
pub struct Engine {
    running: Running<Plane>,
    desk: Desk,
    taps: Taps,
    own: Counters, // what is counted on this side
    board: Arc<Board>,
    listening: Vec<(String, u16)>,
    peers_refused: u64,
    dtls_refused: u64,
    /// Commands that may wait before nobody new is let in; handshake datagrams are dropped then, as they are repeated.
    /// Twice as many may wait at all: those who are in can go on, and leave.
    crowded: usize,
    open: bool,
}

#[pymethods]
impl Engine {
    #[new]
    fn new(addresses: Vec<String>, port: u16, gso: bool, crowded: usize) -> PyResult<Self> {
        let addresses: Vec<IpAddr> = addresses.into_iter().map(|address| address.parse()).collect::<Result<_, _>>()?;
        let socket = Socket::open(&addresses, port, Options::default()).map_err(os_error)?;
        let port = socket.port();
        let plane = Plane::default();
        let (counters, board) = (plane.counters(), plane.board());
        let settings = Settings { gso, commands: crowded.saturating_mul(2), ..Settings::default() };
        Ok(Self {
            running: Running::start(plane, socket, settings).map_err(os_error)?,
            desk: Desk::new(counters),
            taps: Taps::default(),
            own: Counters::default(),
            board,
            listening: addresses.iter().map(|address| (address.to_string(), port)).collect(),
            peers_refused: 0,
            dtls_refused: 0,
            crowded,
            open: true,
        })
    }

    fn close(&mut self, py: Python<'_>) {
        self.open = false;
        self.listening.clear();
        let running = &mut self.running;
        py.detach(|| running.stop());
    }

    fn listening(&self) -> Vec<(String, u16)> {
        self.listening.clone()
    }

    fn fileno(&self) -> i32 {
        self.running.events().fd()
    }

    fn failed(&self) -> Option<&str> {
        self.running.failed()
    }

    fn thread_id(&self) -> i32 {
        self.running.thread_id()
    }

    fn events<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let mut events = Vec::new();
        for notice in self.running.events().take() {
            match notice {
                Notice::Event(each) => events.push(event(py, each)?),
                Notice::Tapped(each) => {
                    if !self.taps.put(each) {
                        self.own.add(Counter::TapDropped, 1);
                    }
                }
            }
        }
        Ok(events)
    }

    fn tapped<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        self.taps.take().iter().filter_map(|each| tapped(py, &self.desk, each)).collect()
    }

    /// None when too much waits for the engine.
    fn add_peer(&mut self, ice: Ice) -> PyResult<Option<u64>> {
        if self.running.commands_waiting() >= self.crowded {
            self.peers_refused += 1;
            return Ok(None);
        }
        let (peer, command) = self.desk.add_peer(ice.into());
        self.send(command)?;
        Ok(Some(peer.0))
    }

    fn restart(&mut self, peer: u64, ice: Ice) -> PyResult<u32> {
        let (generation, command) = self.desk.restart(PeerId(peer), ice.into())?;
        self.send(command)?;
        Ok(generation.0)
    }

    fn remove(&mut self, what: u64) -> PyResult<()> {
        match self.desk.remove(what) {
            Some(command) => self.send(command),
            None => Ok(()),
        }
    }

    fn gate(&mut self, peer: u64, open: bool) -> PyResult<()> {
        self.send(Command::Gate(PeerId(peer), open))
    }

    fn send_dtls(&mut self, peer: u64, datagram: &[u8]) -> PyResult<()> {
        if self.running.commands_waiting() >= self.crowded {
            self.dtls_refused += 1;
            return Ok(());
        }
        self.send(Command::SendDtls(PeerId(peer), datagram.to_vec()))
    }

    fn set_keys(&mut self, peer: u64, keys: Keys) -> PyResult<()> {
        let command = self.desk.set_keys(PeerId(peer), keys.try_into()?)?;
        self.send(command)
    }

    fn add_up(&mut self, peer: u64, track: Up) -> PyResult<u64> {
        let (up, command) = self.desk.add_up(PeerId(peer), track.into())?;
        self.send(command)?;
        Ok(up.0)
    }

    fn add_down(&mut self, peer: u64, slot: Down) -> PyResult<u64> {
        let (down, command) = self.desk.add_down(PeerId(peer), slot.into())?;
        self.send(command)?;
        Ok(down.0)
    }

    #[pyo3(signature = (down, up, rid))]
    fn route(&mut self, down: u64, up: Option<u64>, rid: Option<String>) -> PyResult<()> {
        self.send(Command::Route(DownId(down), up.map(UpId), rid))
    }

    fn ask_key_frame(&mut self, up: u64) -> PyResult<()> {
        self.send(Command::AskKeyFrame(UpId(up)))
    }

    #[pyo3(signature = (peer, bitrate_bps))]
    fn cap(&mut self, peer: u64, bitrate_bps: Option<u64>) -> PyResult<()> {
        self.send(Command::Cap(PeerId(peer), bitrate_bps))
    }

    fn tap(&mut self, up: u64, on: bool) -> PyResult<()> {
        self.send(Command::Tap(UpId(up), on))
    }

    fn counters<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let sum = self.desk.counters();
        sum.absorb(&self.own);
        let here = [
            ("commands_waiting", self.running.commands_waiting() as u64),
            ("peers_refused", self.peers_refused),
            ("dtls_refused", self.dtls_refused),
        ];
        dict(py, sum.iter().chain(self.board.iter()).chain(self.running.tally().iter()).chain(here))
    }

    fn peer_counters<'py>(&self, py: Python<'py>, peer: u64) -> PyResult<Bound<'py, PyDict>> {
        dict(py, self.desk.peer_counters(PeerId(peer))?.iter())
    }

    fn track_counters<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Bound<'py, PyDict>> {
        dict(py, self.desk.track_counters(id)?)
    }
}

impl Engine {
    /// Nothing is done by an engine that is closed or has failed; that one is told of elsewhere.
    fn send(&mut self, command: Command) -> PyResult<()> {
        if !self.open || self.running.failed().is_some() {
            return Ok(());
        }
        // who was sent away must be, however much waits; each id is removed once
        if matches!(command, Command::Remove(_)) {
            self.running.insist(command);
            return Ok(());
        }
        let sent = self.running.command(command);
        sent.map_err(|_| PyRuntimeError::new_err("the engine hangs: too many commands wait for it"))
    }
}
