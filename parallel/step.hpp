// parallel/step.hpp
//
// What a layer's pass is made of on one rank: kernels, and the communications between them. The schemes that
// divide a layer (tensor/, sequence/, expert/) write steps; `lower` turns them into tasks.
#pragma once

#include <cstdint>

#include "models/kernel.hpp"
#include "parallel/meaning.hpp"
#include "parallel/program_builder.hpp"
#include "sim/program.hpp"

namespace orrery::parallel {

/// One step of a layer on a rank, in issue order.
struct Step {
    enum class Kind : std::uint8_t {
        kernel,
        collective,  ///< issued on its stream once all kernels before it have ended
        wait,        ///< kernels after it need all collectives before it
    };
    /// How an exchange divides its bytes.
    enum class Traffic : std::uint8_t {
        even,
        ring,      ///< all of it to the next rank
        dispatch,  ///< copies of tokens to their experts
        combine,   ///< and back
    };
    Kind kind = Kind::kernel;
    Kernel kernel;
    sim::CollectiveKind collective = sim::CollectiveKind::all_reduce;
    /// As sim::Collective has it; of dispatch and combine: of one copy.
    double bytes = 0;
    /// Of a collective: whose group it runs among (tp, cp, ep or etp).
    RoleKind role = RoleKind::tp;
    Traffic traffic = Traffic::even;
    int op = 0;              ///< index of the operator it comes from
    Part part = Part::none;  ///< and what it does for it
};

/// The stream on which a group's communications run in order.
constexpr sim::StreamKind stream_of(RoleKind role) {
    switch (role) {
        case RoleKind::cp:
            return sim::StreamKind::cp;
        case RoleKind::ep:
        case RoleKind::etp:
            return sim::StreamKind::ep;
        default:
            return sim::StreamKind::tp;
    }
}

}  // namespace orrery::parallel
