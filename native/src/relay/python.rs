//! `media._engine.Relay`, for the bench alone.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use medinova_core::address::Address;
use medinova_core::parameters::{SrtpKeys, SrtpProfile};
use medinova_core::srtp::Srtp;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Pair, Refused, Relay as Plane};
use crate::run::{Running, Settings};
use crate::socket::{Options, Socket};

/// `media.engine.SrtpKeys` of one side.
#[derive(FromPyObject)]
struct Keys {
    profile: String,
    up: Vec<u8>,
    down: Vec<u8>,
}

/// A relay between pairs of addresses; with keys, one that unprotects and protects.
#[pyclass]
pub struct Relay {
    socket: Option<Socket>,
    at: SocketAddr,
    waiting: Vec<Pair>, // until it is started
    refused: Arc<Refused>,
    running: Option<Running<Plane>>,
}

#[pymethods]
impl Relay {
    /// Open the socket.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "Python gives values, not references")]
    fn new(addresses: Vec<String>, port: u16) -> PyResult<Self> {
        let addresses: Vec<IpAddr> = addresses
            .iter()
            .map(|text| text.parse().map_err(|_| PyValueError::new_err("not an IP address")))
            .collect::<PyResult<_>>()?;
        let socket = Socket::open(&addresses, port, Options::default())?;
        let at = SocketAddr::new(addresses[0], socket.port());
        let refused = Arc::default();
        Ok(Self { socket: Some(socket), at, waiting: Vec::new(), refused, running: None })
    }

    /// Pass on what comes from either address to the other.
    #[pyo3(signature = (first, second, keys = None))]
    fn add_pair(&mut self, first: (String, u16), second: (String, u16), keys: Option<(Keys, Keys)>) -> PyResult<()> {
        let keys = keys.map(|(first, second)| Ok::<_, PyErr>(Box::new([srtp(first)?, srtp(second)?]))).transpose()?;
        let pair = Pair { addresses: [address(first)?, address(second)?], keys };
        let Some(running) = &self.running else {
            self.waiting.push(pair);
            return Ok(());
        };
        running.command(pair).map_err(|_| PyRuntimeError::new_err("too many commands wait"))
    }

    /// Start the thread.
    fn start(&mut self) -> PyResult<()> {
        let socket = self.socket.take().ok_or_else(|| PyRuntimeError::new_err("a relay starts once"))?;
        let plane = Plane::new(Arc::clone(&self.refused), self.waiting.drain(..));
        self.running = Some(Running::start(plane, socket, Settings::default())?);
        Ok(())
    }

    /// Where the first of its addresses listens.
    fn address(&self) -> (String, u16) {
        (self.at.ip().to_string(), self.at.port())
    }

    /// What the shell counted, and what was not passed on.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters = PyDict::new(py);
        if let Some(running) = &self.running {
            if let Some(text) = running.failed() {
                return Err(PyRuntimeError::new_err(text.to_owned()));
            }
            for (name, count) in running.tally().iter() {
                counters.set_item(name, count)?;
            }
        }
        counters.set_item("unknown_address", self.refused.unknown.get())?;
        counters.set_item("refused", self.refused.refused.get())?;
        Ok(counters)
    }

    /// End the thread and close the socket.
    fn stop(&mut self, py: Python<'_>) {
        self.socket = None;
        let running = &mut self.running;
        py.detach(|| running.take());
    }
}

fn address((ip, port): (String, u16)) -> PyResult<Address> {
    let ip: IpAddr = ip.parse().map_err(|_| PyValueError::new_err("not an IP address"))?;
    Ok(Address::from((ip, port)))
}

fn srtp(Keys { profile, up, down }: Keys) -> PyResult<Srtp> {
    let profile = match profile.as_str() {
        "SRTP_AEAD_AES_128_GCM" => SrtpProfile::AeadAes128Gcm,
        "SRTP_AEAD_AES_256_GCM" => SrtpProfile::AeadAes256Gcm,
        "SRTP_AES128_CM_SHA1_80" => SrtpProfile::Aes128CmSha1_80,
        _ => return Err(PyValueError::new_err("no such SRTP profile")),
    };
    Srtp::new(&SrtpKeys { profile, up, down }).map_err(PyValueError::new_err)
}

/// Add the class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Relay>()
}
