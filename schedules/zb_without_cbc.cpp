// Stands in where COIN-OR's CBC is not installed.
#ifndef ORRERY_HAVE_CBC

#include "core/error.hpp"
#include "schedules/zb_integer_program.hpp"

namespace orrery::schedules {

bool have_integer_programs() {
    return false;
}

IntegerProgramResult zero_bubble_integer_program(const ZeroBubbleProblem&, ZeroBubbleOrder, double) {
    throw MissingCapability(
        "zb-auto's variant ilp needs COIN-OR's CBC (Debian: coinor-libcbc-dev), which "
        "this build was configured without");
}

}  // namespace orrery::schedules

#endif
