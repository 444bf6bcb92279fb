//! The Python module `media._engine`; `media/_engine.pyi` is its contract.

use pyo3::prelude::*;

/// The native engine: what `media/native.py` wraps.
#[pymodule]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    crate::load::python::register(module)?;
    crate::relay::python::register(module)?;
    Ok(())
}
