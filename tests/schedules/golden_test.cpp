// tests/schedules/golden_test.cpp
//
// Every schedule against the reference implementations' orders, replayed by an independent program
// (data/makespan_grid.json, data/orders_p4_m8.json; the sources stand in the files).
#include "golden.hpp"

namespace orrery::schedules {
namespace {

/// "F.3.5", "BW.3.5.q1", "F.0.3.d+BW.3.5.u": one unit as the golden orders write it.
std::string golden_unit(const Schedule& schedule, const std::vector<Action>& order, std::size_t& i) {
    static constexpr const char* kNames[] = {"F", "BW", "B", "W", "R", "E", "L"};
    std::string text;
    const std::size_t first = i;
    do {
        const Action& action = order[i];
        if (i > first) text += "+";
        text +=
            fmt::format("{}.{}.{}", kNames[static_cast<int>(action.kind)], action.stage, action.micro_batch);
        if (schedule.slices > 1) text += fmt::format(".q{}", action.slice);
        if (schedule.placement.size() > 1) text += action.direction == 0 ? ".d" : ".u";
        ++i;
    } while (i < order.size() && order[i].overlap >= 0 && order[i].overlap == order[first].overlap);
    return text;
}

std::string golden_order(const Schedule& schedule, int device) {
    std::string text;
    const auto& order = schedule.orders[device];
    for (std::size_t i = 0; i < order.size();) {
        if (i > 0) text += " ";
        text += golden_unit(schedule, order, i);
    }
    return text;
}

void expect_near(const std::vector<double>& ours, const nlohmann::json& golden, const std::string& where) {
    ASSERT_EQ(ours.size(), golden.size()) << where;
    for (std::size_t i = 0; i < ours.size(); ++i)
        EXPECT_NEAR(ours[i], golden[i].get<double>(), 1e-6) << where << " device " << i;
}

void expect_row(const GoldenName& name, const nlohmann::json& row) {
    PipelineShape shape = golden_shape(name, row[0], row[1], row[2], row[3]);
    shape.forward_time = row[4];
    shape.backward_input_time = row[5];
    shape.backward_weight_time = row[6];
    shape.communication_time = row[7];
    const std::string where =
        fmt::format("{} p={} m={} v={} q={} F={} B={} W={} c={}", name.golden, shape.devices,
                    shape.micro_batches, shape.chunks, shape.slices, shape.forward_time,
                    shape.backward_input_time, shape.backward_weight_time, shape.communication_time);
    const Schedule schedule = golden_schedule(name, shape);
    check(schedule);
    ActionTimes times = action_times(shape);
    if (!row[8].is_null()) times.overlapped = row[8].get<double>();
    const Evaluation evaluation = evaluate(schedule, times);
    EXPECT_NEAR(evaluation.makespan, row[9].get<double>(), 1e-6) << where;
    EXPECT_NEAR(evaluation.longest_span, row[10].get<double>(), 1e-6) << where;
    EXPECT_NEAR(evaluation.bubble_ratio, row[11].get<double>(), 1e-6) << where;
    EXPECT_NEAR(evaluation.bubble_ratio_span, row[12].get<double>(), 1e-6) << where;
    expect_near(evaluation.peak_activation, row[13], where + " peak");
    expect_near(evaluation.peak_activation_released_at_backward, row[14], where + " peak, released at B");
}

TEST(Golden, GridIsReproduced) {
    const nlohmann::json grid = read_data("makespan_grid.json");
    std::size_t rows = 0;
    for (const auto& [golden, entry] : grid["schedules"].items()) {
        const GoldenName* name = find_golden(golden);
        ASSERT_NE(name, nullptr) << golden << " is not compared";
        for (const auto& row : entry["rows"]) {
            expect_row(*name, row);
            ++rows;
        }
    }
    EXPECT_EQ(rows, 2214U);
}

TEST(Golden, OrdersAreReproduced) {
    const nlohmann::json orders = read_data("orders_p4_m8.json")["orders"];
    for (const auto& [key, entry] : orders.items()) {
        const GoldenName* name = find_golden(key.substr(0, key.find("_p4_m8")));
        ASSERT_NE(name, nullptr) << key << " is not compared";
        PipelineShape shape = golden_shape(*name, 4, 8, entry["v"], entry["q"]);
        shape.forward_time = shape.backward_input_time = shape.backward_weight_time = 12;
        const Schedule schedule = golden_schedule(*name, shape);
        for (int device = 0; device < 4; ++device)
            EXPECT_EQ(golden_order(schedule, device), entry["devices"][device].get<std::string>())
                << key << " device " << device;
    }
}

TEST(Golden, GroupedInterleavingIsReproduced) {
    const nlohmann::json data = read_data("group_interleaved.json");
    for (const auto& row : data["cases"]) {
        PipelineShape shape{.devices = row["p"], .micro_batches = row["m"], .chunks = row["v"]};
        shape.forward_time = shape.backward_input_time = shape.backward_weight_time = 12;
        shape.variant = std::to_string(row["group_size"].get<int>());
        const Schedule schedule = make_schedule("grouped-interleaved", shape);
        check(schedule);
        const Evaluation evaluation = evaluate(schedule, action_times(shape));
        EXPECT_NEAR(evaluation.makespan, row["makespan"].get<double>(), 1e-6) << row.dump();
        expect_near(evaluation.peak_activation, row["peak"], row.dump());
    }
}

}  // namespace
}  // namespace orrery::schedules
