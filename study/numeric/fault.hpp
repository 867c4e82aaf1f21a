// study/numeric/fault.hpp
//
// What makes a numeric check fail: a task reads what is not there, or makes something else than the
// reference.
#pragma once

#include <stdexcept>

namespace orrery::study::numeric {

struct Fault : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace orrery::study::numeric
