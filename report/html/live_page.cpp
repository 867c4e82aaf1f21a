#include "report/html/live_page.hpp"

#include <fmt/format.h>

#include "report/html/svg.hpp"
#include "report/units.hpp"

namespace orrery::report {
namespace {

std::string menu_html(const LiveControl& control) {
    std::string html =
        fmt::format("<select name=\"{}\" data-base=\"{}\">", escaped(control.key), escaped(control.base));
    for (const std::string& choice : control.choices) {
        html +=
            fmt::format("<option{}>{}</option>", choice == control.value ? " selected" : "", escaped(choice));
    }
    return html + "</select>";
}

std::string field_html(const LiveControl& control) {
    const std::string list = "list-" + control.key;
    std::string html = fmt::format(
        "<input type=\"text\" inputmode=\"decimal\" autocomplete=\"off\" maxlength=\"24\" name=\"{}\" "
        "value=\"{}\" "
        "data-base=\"{}\" list=\"{}\"><datalist id=\"{}\">",
        escaped(control.key), escaped(control.value), escaped(control.base), escaped(list), escaped(list));
    for (const std::string& suggestion : control.suggestions)
        html += fmt::format("<option value=\"{}\"></option>", escaped(suggestion));
    return html + "</datalist>";
}

std::string status_text(const LiveRun& run) {
    return fmt::format("{}; simulated in {}", run.derived, duration(run.wall_s));
}

std::string form_html(const std::vector<LiveControl>& controls, const LiveRun& run,
                      const std::string& error) {
    std::string html =
        "<form class=\"live\" method=\"get\" action=\"/\" data-live>\n<div class=\"fields\">\n";
    for (const LiveControl& control : controls) {
        html += fmt::format("<label title=\"{}\"><span>{}</span>{}<small>{}</small></label>\n",
                            escaped(control.key), escaped(control.label),
                            control.choices.empty() ? field_html(control) : menu_html(control),
                            escaped(control.hint));
    }
    html +=
        "</div>\n<p><button type=\"submit\">simulate</button> <button type=\"reset\">as in the file</button> "
        "<span data-status role=\"status\">" +
        escaped(status_text(run)) + "</span></p>\n";
    html += "<p class=\"complaint\" data-complaint role=\"alert\">" +
            escaped(error.empty() ? run.complaint : error) +
            "</p>\n<p class=\"command\">The same on the command line: <code data-command>" +
            escaped(run.command) + "</code></p>\n</form>\n";
    return html;
}

}  // namespace

std::string live_page(const std::vector<LiveControl>& controls, const LiveRun& run, const std::string& error,
                      Drawing drawing) {
    Page page = run_content(run.result, run.gantt, run.memory, drawing);
    page.make_live(form_html(controls, run, error));
    return page.str();
}

Json live_json(const LiveRun& run) {
    const Page page = run_content(run.result, run.gantt, run.memory, default_drawing());
    return {{"html", page.body()},        {"data", page.json()},    {"subtitle", page.subtitle()},
            {"status", status_text(run)}, {"command", run.command}, {"complaint", run.complaint},
            {"wall_ms", run.wall_s * 1e3}};
}

}  // namespace orrery::report
