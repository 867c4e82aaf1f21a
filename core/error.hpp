// core/error.hpp
//
// One exception type per audience. The command line maps them to exit states:
//   InputError 2 (the user's file or arguments), ExperimentError and SimulationError 1 (the experiment cannot
//   run), MissingCapability 3 (this machine lacks what was asked). Anything else that escapes is a defect of
//   Orrery.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace orrery {

/// A place in a file. Lines and columns count from 1; 0 means "not known".
struct Location {
    std::string file;
    std::size_t line = 0;
    std::size_t column = 0;
};

/// "file:line:column", leaving out what is not known; empty for an empty location.
std::string to_string(const Location& location);

/// Something the user wrote is wrong. `what()` reads "file:line:column: key: message".
class InputError : public std::runtime_error {
  public:
    /// `key` is the dotted path of the offending key ("parallel.tp"), or empty. `message` says what was
    /// expected and, where one exists, the nearest valid name.
    InputError(Location where, std::string key, const std::string& message);

    Location where;
    std::string key;
    std::string message;
};

/// A well-formed experiment that cannot run: it does not fit into memory, its degrees do not match the
/// cluster. The message says what to change.
class ExperimentError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A program that cannot proceed: a cycle, a rendezvous whose members disagree. `cycle` names ranks and
/// tasks, in order.
class SimulationError : public std::runtime_error {
  public:
    SimulationError(const std::string& message, std::vector<std::string> cycle = {});

    std::vector<std::string> cycle;
};

/// This build or machine lacks what was asked for (SimGrid, a GPU, MPI).
class MissingCapability : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace orrery
