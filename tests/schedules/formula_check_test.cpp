// tests/schedules/formula_check_test.cpp
//
// Where published closed forms hold and by how much they miss, by an independent replay
// (data/formula_check.json): ours has to miss by the same. Goes beyond the grid of golden_test.cpp: p = 16
// and times that stand there for nothing else.
#include <algorithm>
#include <functional>
#include <map>

#include "golden.hpp"

namespace orrery::schedules {
namespace {

using Formula = std::function<double(const PipelineShape&, double overlap)>;

double whole(const PipelineShape& s) {
    return s.forward_time + s.backward_input_time + s.backward_weight_time;
}

const std::map<std::string, Formula>& formulas() {
    static const std::map<std::string, Formula> all = {
        {"0", [](const PipelineShape&, double) { return 0.0; }},
        {"(p-1)(F+B+W)", [](const PipelineShape& s, double) { return (s.devices - 1) * whole(s); }},
        {"(p-1)(F+B+W)/v",
         [](const PipelineShape& s, double) { return (s.devices - 1) * whole(s) / s.chunks; }},
        {"(p-1)(F+B+W)/q",
         [](const PipelineShape& s, double) { return (s.devices - 1) * whole(s) / s.slices; }},
        {"(p-1)(F+B+W)/2", [](const PipelineShape& s, double) { return (s.devices - 1) * whole(s) / 2; }},
        {"2(p-1)(F+B+W)/3",
         [](const PipelineShape& s, double) { return (s.devices - 1) * whole(s) * 2 / 3; }},
        {"(p-1)(F+B-W)/v",
         [](const PipelineShape& s, double) {
             return (s.devices - 1) * (whole(s) - 2 * s.backward_weight_time) / s.chunks;
         }},
        {"(p-1)(F+B-W)", [](const PipelineShape& s,
                            double) { return (s.devices - 1) * (whole(s) - 2 * s.backward_weight_time); }},
        {"(p-1)(F+B-2W)", [](const PipelineShape& s,
                             double) { return (s.devices - 1) * (whole(s) - 3 * s.backward_weight_time); }},
        {"(D/2-1)(F+Bfull)", [](const PipelineShape& s, double) { return (s.devices / 2.0 - 1) * whole(s); }},
        {"(PP/2-1)(F&B+B-3W)",
         [](const PipelineShape& s, double overlap) {
             return (s.devices / 2.0 - 1) * (overlap * whole(s) + s.backward_input_time +
                                             s.backward_weight_time - 3 * s.backward_weight_time);
         }},
        {"(PP/2-1)(F&B+B-3W), PP=2p chunks",
         [](const PipelineShape& s, double overlap) {
             return (s.devices - 1) *
                    (overlap * whole(s) + s.backward_input_time + s.backward_weight_time -
                     3 * s.backward_weight_time) /
                    2;
         }},
    };
    return all;
}

/// Overlapped pairs are shorter than their parts, and not every device has equally many: DualPipe's formula
/// is of the device with the largest bubble.
double work_of(const std::string& golden, const std::vector<double>& busy) {
    return golden.starts_with("dualpipe") ? *std::min_element(busy.begin(), busy.end())
                                          : *std::max_element(busy.begin(), busy.end());
}

/// The zero-bubble papers count over the longest span of a stage.
bool over_span(const std::string& golden) {
    return golden.starts_with("zb_") || golden.starts_with("v_");
}

TEST(FormulaCheck, DeviationsFromPublishedFormsAreThoseOfTheIndependentReplay) {
    const nlohmann::json data = read_data("formula_check.json");
    for (const auto& row : data["rows"]) {
        const std::string golden = row[0];
        const GoldenName* const name = find_golden(golden);
        ASSERT_NE(name, nullptr) << golden;
        const std::string formula = row[1];
        const bool sliced = formula.ends_with("/q");
        const int default_chunks = find_schedule(name->ours).default_chunks;
        const bool chunked = default_chunks > 1 && formula.ends_with("/v");
        const double overlap = golden.ends_with("0.8") ? 0.8 : 1;
        const int parts = sliced || chunked ? 2 : 1;
        const bool from_one = row[6].get<int>() == 20 * parts;
        int count = 0;
        int exact = 0;
        double least = 1e300;
        double most = -1e300;
        for (const int p : {2, 4, 8, 16})
            for (const int multiple : {1, 2, 3, 4, 8}) {
                if (multiple == 1 && !from_one) continue;
                for (int part = 1; part <= parts; ++part) {
                    PipelineShape shape = golden_shape(
                        *name, p, multiple * p, chunked ? 2 * part : default_chunks, sliced ? 2 * part : 1);
                    shape.forward_time = row[2];
                    shape.backward_input_time = row[3];
                    shape.backward_weight_time = row[4];
                    shape.communication_time = row[5];
                    ActionTimes times = action_times(shape);
                    if (overlap < 1) times.overlapped = overlap * whole(shape) / shape.chunks;
                    const Evaluation evaluation = evaluate(golden_schedule(*name, shape), times);
                    const double length = over_span(golden) ? evaluation.longest_span : evaluation.makespan;
                    const double off =
                        length - work_of(golden, evaluation.busy) - formulas().at(formula)(shape, overlap);
                    ++count;
                    exact += std::abs(off) < 1e-6;
                    least = std::min(least, off);
                    most = std::max(most, off);
                }
            }
        EXPECT_EQ(count, row[6].get<int>()) << row.dump();
        EXPECT_EQ(exact, row[7].get<int>()) << row.dump();
        EXPECT_NEAR(least, row[8].get<double>(), 1e-3) << row.dump();
        EXPECT_NEAR(most, row[9].get<double>(), 1e-3) << row.dump();
    }
}

}  // namespace
}  // namespace orrery::schedules
