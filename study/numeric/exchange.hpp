// study/numeric/exchange.hpp
//
// Operations between ranks: what each member brings is combined as the operation's kind says, and each takes
// up what the kind gives it.
#pragma once

#include <vector>

#include "sim/program.hpp"
#include "study/numeric/rank.hpp"

namespace orrery::study::numeric {

/// A member of a communicator with its side of the operation.
struct Member {
    Rank& rank;
    const parallel::Meaning& task;
    int device = 0;  ///< pipeline device
};

/// Carries the operation out. Returns how many elements its full buffer has, and what they are: the program
/// prices so many bytes. Throws Fault where a member brings what is not there, or members mean different
/// things.
enum class ElementKind : std::uint8_t {
    activation,
    weight,
    gradient,
    statistic,
    saved,  ///< all that a layer keeps: the check keeps other tensors than a framework does
};
struct Volume {
    double elements = 0;
    ElementKind kind = ElementKind::activation;
};
Volume exchange(const sim::Collective& operation, std::vector<Member>& members);

}  // namespace orrery::study::numeric
