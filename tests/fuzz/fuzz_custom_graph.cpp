// Any bytes as a graph of the user's own: read, or refused with an InputError. What is read has a way, or
// says that it has none, between any two devices.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "topologies/builders/builders.hpp"
#include "topologies/custom_graph.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace orrery::topologies;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    constexpr int devices = 4;
    try {
        Cluster cluster;
        cluster.node.gpus = devices;
        cluster.custom = std::make_shared<const CustomGraph>(
            read_custom_graph(orrery::yaml::parse(text, "fuzz.yaml"), "", devices));
        const Graph graph = build_graph(cluster);
        Way way;
        for (std::uint32_t a = 0; a < devices; ++a)
            for (std::uint32_t b = 0; b < devices; ++b) {
                try {
                    graph.route(a, b, flow_of(a, b), way);
                } catch (const orrery::ExperimentError&) {
                    continue;
                }
                if (a != b && (way.empty() || graph.to(way.back()) != b)) std::abort();
            }
    } catch (const orrery::InputError&) {
    }
    return 0;
}
