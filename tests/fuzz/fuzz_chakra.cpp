// Chakra traces: two ranks and their process groups. The first two bytes of the input say where it is cut in
// three.
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "sim/chakra/chakra.hpp"
#include "sim/engine/engine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace orrery;
    if (size < 2) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::size_t first = text.size() * data[0] / 255;
    const std::size_t second = first + (text.size() - first) * data[1] / 255;
    try {
        const sim::TracedProgram traced = sim::parse_chakra_traces(
            {{"a.0.et", text.substr(0, first)}, {"a.1.et", text.substr(first, second - first)}},
            {"comm_groups.json", text.substr(second)});
        (void)sim::replay(traced.program, traced.costs);
    } catch (const InputError&) {
    } catch (const SimulationError&) {  // traces that wait for each other
    } catch (const MissingCapability&) {
    }
    return 0;
}
