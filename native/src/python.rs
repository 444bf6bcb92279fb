//! The Python module `media._engine`; `media/_engine.pyi` is its contract.

use std::io;

use medinova_core::event::Event;
use medinova_core::tap::Tapped;
use pyo3::exceptions::{PyKeyError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::desk::{Desk, Unknown};
use crate::python_core::Core;
use crate::python_engine::Engine;

/// Compared with that of `media/native.py`: one more whenever what crosses between the two changes.
const SEAM: u32 = 1;

/// The native engine: what `media/native.py` wraps.
#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("SEAM", SEAM)?;
    module.add_class::<Core>()?;
    module.add_class::<Engine>()?;
    crate::load::python::register(module)?;
    crate::relay::python::register(module)?;
    Ok(())
}

impl From<Unknown> for PyErr {
    fn from(unknown: Unknown) -> Self {
        PyKeyError::new_err(unknown.0)
    }
}

/// An `OSError` with its `errno`, which the conversion of pyo3 leaves out.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
pub fn os_error(error: io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, error.to_string())),
        None => PyOSError::new_err(error.to_string()),
    }
}

/// The name of a dataclass of `media/engine.py`, and its fields.
pub fn event(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        Event::DtlsReceived { peer, datagram } => {
            ("DtlsReceived", (peer.0, PyBytes::new(py, &datagram))).into_pyobject(py)
        }
        Event::PathUp { peer, generation } => ("PathUp", (peer.0, generation.0)).into_pyobject(py),
        Event::PathDown { peer, generation } => ("PathDown", (peer.0, generation.0)).into_pyobject(py),
        Event::Speakers(ups) => {
            let ups = PyTuple::new(py, ups.iter().map(|up| up.0))?;
            ("Speakers", (ups,)).into_pyobject(py)
        }
        Event::SourceLost { up, lost } => ("SourceLost", (up.0, lost)).into_pyobject(py),
        Event::DownEstimate { peer, bitrate_bps, loss, round_trip_s, sent_bps } => {
            ("DownEstimate", (peer.0, bitrate_bps, loss, round_trip_s, sent_bps)).into_pyobject(py)
        }
        Event::Overrun(count) => ("Overrun", (count,)).into_pyobject(py),
    }
}

/// The fields of `media.engine.Tapped`; None when the line is gone.
pub fn tapped<'py>(py: Python<'py>, desk: &Desk, tapped: &Tapped) -> Option<PyResult<Bound<'py, PyTuple>>> {
    let Tapped { up, rank, seq, arrived, packet } = tapped;
    let rid = desk.rid(*up, *rank)?;
    Some((up.0, rid, seq.0, *arrived, PyBytes::new(py, packet)).into_pyobject(py))
}

/// Counters by name.
pub fn dict(py: Python<'_>, counters: impl Iterator<Item = (&'static str, u64)>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for (name, count) in counters {
        dict.set_item(name, count)?;
    }
    Ok(dict)
}
