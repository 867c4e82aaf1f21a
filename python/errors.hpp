// python/errors.hpp
//
// The exceptions of core/error.hpp as those of orrery/errors.py, with the file, line, column and key they
// carry.
#pragma once

namespace orrery::python {

/// Registers the translation with pybind11. An error of an argument ("--ranks-per-node") names it as Python
/// does: ranks_per_node.
void translate_errors();

}  // namespace orrery::python
