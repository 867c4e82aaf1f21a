#include "python/errors.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <exception>
#include <new>
#include <string>

#include "core/error.hpp"
#include "study/sweep/team.hpp"

namespace orrery::python {
namespace {

namespace py = pybind11;

/// Raises orrery.errors.NAME(arguments...).
template <class... Arguments>
void raise(const char* name, Arguments&&... arguments) {
    const py::object type = py::module_::import("orrery.errors").attr(name);
    const py::object error = type(std::forward<Arguments>(arguments)...);
    PyErr_SetObject(type.ptr(), error.ptr());
}

py::object known(std::size_t number) {
    return number == 0 ? py::object(py::none()) : py::int_(number);
}

py::object known(const std::string& text) {
    return text.empty() ? py::object(py::none()) : py::str(text);
}

std::string python_key(const std::string& key) {
    if (!key.starts_with("--")) return key;
    std::string name = key.substr(2);
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

void raise_input_error(const InputError& error) {
    const std::string key = python_key(error.key);
    const InputError renamed(error.where, key, error.message);
    raise("InputError", std::string(renamed.what()), known(error.where.file), known(error.where.line),
          known(error.where.column), known(key), error.message);
}

void translate(std::exception_ptr thrown) {
    try {
        if (thrown) std::rethrow_exception(thrown);
    } catch (const InputError& error) {
        raise_input_error(error);
    } catch (const SimulationError& error) {
        raise("SimulationError", std::string(error.what()), error.cycle);
    } catch (const ExperimentError& error) {
        raise("CannotRun", std::string(error.what()));
    } catch (const MissingCapability& error) {
        raise("MissingCapability", std::string(error.what()));
    } catch (const study::ElsewhereError&) {
        raise("CannotRun", std::string("another process of the MPI job failed, and says why"));
    } catch (const std::bad_alloc&) {
        raise("CannotRun", std::string("out of memory: fold identical ranks, or take a coarser granularity"));
    }
}

}  // namespace

void translate_errors() {
    py::register_exception_translator(&translate);
}

}  // namespace orrery::python
