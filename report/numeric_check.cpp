#include "report/numeric_check.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/text_width.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

std::string joined(const std::vector<std::string>& list) {
    std::string text;
    for (const std::string& one : list) text += (text.empty() ? "" : ", ") + one;
    return text;
}

std::string deviations(const NumericCheck& c, std::size_t width) {
    Table table({{"largest relative deviation", Align::left, true}, {"", Align::right}});
    const auto row = [&table](const char* name, double error) {
        table.add_row({name, fmt::format("{:.1e}", error)});
    };
    row("loss", c.loss_error);
    row("outputs of layers and their gradients", c.activation_error);
    row("gradients of all weights", c.gradient_error);
    row("weights after one step of Adam", c.weight_error);
    return table.render(width);
}

/// Indented by two.
std::string paragraph(const std::string& text, std::size_t width) {
    std::string lines;
    for (const std::string& line : wrap(text, width - 2)) lines += "  " + line + "\n";
    return lines;
}

}  // namespace

std::string numeric_check_text(const NumericCheck& c, std::size_t width) {
    std::string text = fmt::format("{}\n{}\n", c.experiment, paragraph(c.plan, width));
    std::string what =
        fmt::format("{} tasks of {} ranks, executed in double precision in {} legal orders: {}.",
                    grouped(static_cast<std::int64_t>(c.tasks)), c.ranks, c.orders.size(), joined(c.orders));
    if (!c.made_small.empty())
        what += fmt::format(" Tensors are made small ({}); {}.", c.made_small,
                            c.same_tasks ? "the tasks are the experiment's, one by one"
                                         : "so the tasks are not the experiment's, one by one");
    text += paragraph(what, width) + "\n";
    if (c.failure) {
        text += paragraph("FAILED in " + c.failure->order, width);
        text += paragraph(c.failure->task, width);
        return text + paragraph(c.failure->what, width);
    }
    text += deviations(c, width) + "\n";
    text += paragraph(fmt::format("loss {:.9f}, as one rank that holds everything has it (tolerance {:.0e})",
                                  c.loss, c.tolerance),
                      width);
    if (c.other_volumes.empty())
        return text + paragraph("every operation moves as many bytes as the program prices", width);
    for (const std::string& one : c.other_volumes) text += paragraph(one, width);
    return text;
}

Json to_json(const NumericCheck& c) {
    Json json = {{"experiment", c.experiment},
                 {"plan", c.plan},
                 {"ranks", c.ranks},
                 {"tasks", c.tasks},
                 {"made_small", c.made_small},
                 {"same_tasks", c.same_tasks},
                 {"orders", c.orders},
                 {"tolerance", c.tolerance},
                 {"loss", c.loss},
                 {"reference_loss", c.reference_loss},
                 {"loss_error", c.loss_error},
                 {"activation_error", c.activation_error},
                 {"gradient_error", c.gradient_error},
                 {"weight_error", c.weight_error},
                 {"other_volumes", c.other_volumes},
                 {"passed", !c.failure.has_value()}};
    if (c.failure)
        json["failure"] = {{"order", c.failure->order}, {"task", c.failure->task}, {"what", c.failure->what}};
    return json;
}

}  // namespace orrery::report
