//! The core in virtual time, for the tests that run over both engines: no socket, no clock, no thread.

use std::net::SocketAddr;

use medinova_core::address::{Address, Path};
use medinova_core::core::Core as Inner;
use medinova_core::id::{DownId, PeerId, UpId};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::command::Command;
use crate::desk::Desk;
use crate::engine::{GAUGES, values};
use crate::python::{dict, event, tapped};
use crate::python_parameters::{Down, Ice, Keys, Up, address};

/// `media.core.Core`, its transmits and events fetched by methods.
#[pyclass(module = "media._engine")]
pub struct Core {
    core: Inner,
    desk: Desk,
}

#[pymethods]
impl Core {
    #[new]
    fn new() -> Self {
        let core = Inner::default();
        Self { desk: Desk::new(core.counters().clone()), core }
    }

    fn add_peer(&mut self, ice: Ice) -> PyResult<u64> {
        let (peer, command) = self.desk.add_peer(ice.into());
        self.carry_out(command, 0.0)?;
        Ok(peer.0)
    }

    fn restart(&mut self, peer: u64, ice: Ice) -> PyResult<u32> {
        let (generation, command) = self.desk.restart(PeerId(peer), ice.into())?;
        self.carry_out(command, 0.0)?;
        Ok(generation.0)
    }

    fn remove(&mut self, what: u64, now: f64) -> PyResult<()> {
        match self.desk.remove(what) {
            Some(command) => self.carry_out(command, now),
            None => Ok(()),
        }
    }

    fn gate(&mut self, peer: u64, open: bool, now: f64) -> PyResult<()> {
        self.carry_out(Command::Gate(PeerId(peer), open), now)
    }

    fn send_dtls(&mut self, peer: u64, datagram: &[u8]) -> PyResult<()> {
        self.carry_out(Command::SendDtls(PeerId(peer), datagram.to_vec()), 0.0)
    }

    fn set_keys(&mut self, peer: u64, keys: Keys) -> PyResult<()> {
        let command = self.desk.set_keys(PeerId(peer), keys.try_into()?)?;
        self.carry_out(command, 0.0)
    }

    fn add_up(&mut self, peer: u64, track: Up) -> PyResult<u64> {
        let (up, command) = self.desk.add_up(PeerId(peer), track.into())?;
        self.carry_out(command, 0.0)?;
        Ok(up.0)
    }

    fn add_down(&mut self, peer: u64, slot: Down) -> PyResult<u64> {
        let (down, command) = self.desk.add_down(PeerId(peer), slot.into())?;
        self.carry_out(command, 0.0)?;
        Ok(down.0)
    }

    #[pyo3(signature = (down, up, rid, now))]
    fn route(&mut self, down: u64, up: Option<u64>, rid: Option<String>, now: f64) -> PyResult<()> {
        self.carry_out(Command::Route(DownId(down), up.map(UpId), rid), now)
    }

    fn ask_key_frame(&mut self, up: u64) -> PyResult<()> {
        self.carry_out(Command::AskKeyFrame(UpId(up)), 0.0)
    }

    #[pyo3(signature = (peer, bitrate_bps))]
    fn cap(&mut self, peer: u64, bitrate_bps: Option<u64>) -> PyResult<()> {
        self.carry_out(Command::Cap(PeerId(peer), bitrate_bps), 0.0)
    }

    fn tap(&mut self, up: u64, on: bool) -> PyResult<()> {
        self.carry_out(Command::Tap(UpId(up), on), 0.0)
    }

    fn handle(
        &mut self,
        datagram: &[u8],
        local: &Bound<'_, PyAny>,
        remote: &Bound<'_, PyAny>,
        now: f64,
        arrived: f64,
    ) -> PyResult<()> {
        let path = Path { local: address(local)?, remote: address(remote)? };
        self.core.handle(&mut datagram.to_vec(), path, now, arrived);
        Ok(())
    }

    fn tick(&mut self, now: f64) {
        self.core.tick(now);
    }

    /// Seal and take what is to be sent: `(datagram, (local, remote))`.
    fn transmits<'py>(&mut self, py: Python<'py>, group: bool) -> PyResult<Bound<'py, PyList>> {
        let outbox = self.core.seal(group);
        let sent = PyList::empty(py);
        for (run, pieces) in outbox.runs() {
            let (local, remote) = (pair(py, run.path.local)?, pair(py, run.path.remote)?);
            for piece in pieces {
                let datagram = PyBytes::new(py, &outbox.arena()[piece.start..piece.start + piece.length]);
                sent.append((datagram, (&local, &remote)))?;
            }
        }
        self.core.clear();
        Ok(sent)
    }

    fn events<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        self.core.events.take().into_iter().map(|each| event(py, each)).collect()
    }

    fn tapped<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        self.core.taps.take().iter().filter_map(|each| tapped(py, &self.desk, each)).collect()
    }

    fn counters<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        dict(py, self.desk.counters().iter().chain(GAUGES.into_iter().zip(values(&self.core))))
    }

    fn peer_counters<'py>(&self, py: Python<'py>, peer: u64) -> PyResult<Bound<'py, PyDict>> {
        dict(py, self.desk.peer_counters(PeerId(peer))?.iter())
    }

    fn track_counters<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Bound<'py, PyDict>> {
        dict(py, self.desk.track_counters(id)?)
    }
}

impl Core {
    fn carry_out(&mut self, command: Command, now: f64) -> PyResult<()> {
        command.carry_out(&mut self.core, now).map_err(PyValueError::new_err)
    }
}

/// An address as Python's sockets have it.
fn pair(py: Python<'_>, address: Address) -> PyResult<Bound<'_, PyTuple>> {
    match address.socket_address() {
        SocketAddr::V4(four) => (four.ip().to_string(), four.port()).into_pyobject(py),
        SocketAddr::V6(six) => (six.ip().to_string(), six.port(), six.flowinfo(), six.scope_id()).into_pyobject(py),
    }
}
