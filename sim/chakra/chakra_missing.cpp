// In place of the other sources where Protocol Buffers are not installed.
#include "core/error.hpp"
#include "sim/chakra/chakra.hpp"

namespace orrery::sim {
namespace {

[[noreturn]] void refuse() {
    throw MissingCapability(
        "this build of Orrery cannot read or write Chakra traces: install libprotobuf-dev and "
        "protobuf-compiler and "
        "build again");
}

}  // namespace

TraceFile chakra_trace(const Program&, const WorkCosts&, const Timeline&, RankId) {
    refuse();
}
TraceFile chakra_groups(const Program&) {
    refuse();
}
ChakraSize write_chakra(const std::filesystem::path&, const Program&, const WorkCosts&, const Timeline&) {
    refuse();
}
TracedProgram read_chakra(const std::filesystem::path&) {
    refuse();
}
TracedProgram parse_chakra_traces(const std::vector<TraceFile>&, const TraceFile&) {
    refuse();
}

}  // namespace orrery::sim
