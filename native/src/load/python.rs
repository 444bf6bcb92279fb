//! `media._engine.Load`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

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

/// Add what is here to the Python module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Load>()
}
