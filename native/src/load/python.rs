//! `media._engine.Load` and `media._engine.Flood`.

use std::net::SocketAddrV4;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::flood::{Flood as Strangers, Flooding};
use super::generator::Generator;
use super::leg::{Leg, Shape};

/// Everybody's packets, see `bench/load.py`.
#[pyclass]
pub struct Load {
    generator: Generator,
}

#[pymethods]
impl Load {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "Python gives values, not references")]
    fn new(legs: Vec<Leg>, checks: Vec<Vec<u8>>, port: u16) -> PyResult<Self> {
        let generator = Generator::new(&legs, checks, port).map_err(PyValueError::new_err)?;
        Ok(Self { generator })
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python gives values, not references")]
    /// Send and receive for so many seconds, at `rate` times the shape's pace; 0 only receives.
    fn run(&mut self, py: Python<'_>, shape: Shape, seconds: f64, rate: f64) {
        py.detach(|| self.generator.run(&shape, seconds, rate));
    }

    /// Count from here on.
    fn reset(&mut self) {
        self.generator.reset();
    }

    /// What was counted since the reset, by name.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (totals, delays) = (&self.generator.totals, &self.generator.delays);
        let [expected, received, duplicates, reordered, silent] = self.generator.streams();
        let report = PyDict::new(py);
        for (name, value) in [
            ("sent", totals.sent),
            ("late", totals.late),
            ("skipped", self.generator.skipped()),
            ("unsent", self.generator.unsent()),
            ("arrived", totals.arrived),
            ("expected", expected),
            ("received", received),
            ("duplicates", duplicates),
            ("reordered", reordered),
            ("silent", silent),
            ("other", totals.other),
            ("overflowed", u64::from(self.generator.overflowed())),
            ("checked", delays.total()),
            ("refused", totals.refused),
            ("strange", totals.strange),
            ("rtcp", totals.rtcp),
            ("feedback_sent", totals.feedback_sent),
            ("key_frames_asked", totals.key_frames_asked),
            ("checks_answered", totals.checks_answered),
        ] {
            report.set_item(name, value)?;
        }
        report.set_item("wall_s", totals.wall_ns as f64 / 1e9)?;
        report.set_item("cpu_s", totals.cpu_ns as f64 / 1e9)?;
        for (name, share) in [("p50_s", 0.5), ("p99_s", 0.99), ("p999_s", 0.999)] {
            report.set_item(name, delays.quantile(share) / 1e9)?;
        }
        Ok(report)
    }
}

/// Strangers who send what nobody asked for, see `bench/flood.py`.
#[pyclass]
pub struct Flood {
    resting: Option<Strangers>,
    flooding: Option<Flooding>,
}

#[pymethods]
impl Flood {
    #[new]
    #[pyo3(signature = (datagrams, remote, port, addresses, run = 1))]
    #[expect(clippy::needless_pass_by_value, reason = "Python gives values, not references")]
    fn new(datagrams: Vec<Vec<u8>>, remote: (String, u16), port: u16, addresses: usize, run: usize) -> PyResult<Self> {
        let ip = remote.0.parse().map_err(|_| PyValueError::new_err("not an IPv4 address"))?;
        let to = SocketAddrV4::new(ip, remote.1);
        let strangers = Strangers::new(&datagrams, to, port, addresses, run).map_err(PyValueError::new_err)?;
        Ok(Self { resting: Some(strangers), flooding: None })
    }

    /// Begin; infinity is as fast as it goes.
    fn start(&mut self, rate: f64) -> PyResult<()> {
        let strangers = self.resting.take().ok_or_else(|| PyRuntimeError::new_err("it floods already"))?;
        self.flooding = Some(Flooding::start(strangers, rate).map_err(PyOSError::new_err)?);
        Ok(())
    }

    /// End; nothing is sent from then on.
    fn stop(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Some(flooding) = self.flooding.take() {
            let stopped = py.detach(|| flooding.stop());
            self.resting = Some(stopped.ok_or_else(|| PyRuntimeError::new_err("the flood broke"))?);
        }
        Ok(())
    }

    /// What was counted since it was made, by name; only while it rests.
    fn report<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let strangers = self.resting.as_mut().ok_or_else(|| PyRuntimeError::new_err("it floods"))?;
        let account = strangers.account();
        let report = PyDict::new(py);
        for (name, value) in [("sent", account.sent), ("skipped", account.skipped), ("replies", account.replies)] {
            report.set_item(name, value)?;
        }
        report.set_item("wall_s", account.wall_s)?;
        report.set_item("cpu_s", account.cpu_s)?;
        Ok(report)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        if let Some(flooding) = self.flooding.take() {
            let _ = flooding.stop(); // nobody asks what it came to
        }
    }
}

/// Add what is here to the Python module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Load>()?;
    module.add_class::<Flood>()
}
