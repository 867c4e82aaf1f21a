#include "report/html/svg.hpp"

#include <fmt/format.h>

#include "report/text_width.hpp"

namespace orrery::report {

std::string escaped(const std::string& text) {
    std::string safe;
    for (const char c : printable(text)) {
        switch (c) {
            case '&':
                safe += "&amp;";
                break;
            case '<':
                safe += "&lt;";
                break;
            case '>':
                safe += "&gt;";
                break;
            case '"':
                safe += "&quot;";
                break;
            case '\'':
                safe += "&#39;";
                break;
            default:
                safe += c;
        }
    }
    return safe;
}

Svg::Svg(double width, double height, const std::string& label)
    : body_(fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">", width, height,
                        escaped(label))) {}

void Svg::rectangle(double x, double y, double width, double height, const std::string& colour,
                    const std::string& tooltip) {
    body_ +=
        fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"var(--{})\"",
                    x, y, width, height, colour);
    body_ += tooltip.empty() ? "/>" : fmt::format("><title>{}</title></rect>", escaped(tooltip));
}

void Svg::line(double x1, double y1, double x2, double y2, const std::string& style_class) {
    body_ += fmt::format("<line x1=\"{:.2f}\" y1=\"{:.2f}\" x2=\"{:.2f}\" y2=\"{:.2f}\" class=\"{}\"/>", x1,
                         y1, x2, y2, style_class);
}

void Svg::text(double x, double y, const std::string& text, Anchor anchor, const std::string& style_class) {
    static constexpr const char* kAnchors[] = {"start", "middle", "end"};
    body_ += fmt::format("<text x=\"{:.2f}\" y=\"{:.2f}\" text-anchor=\"{}\"{}>{}</text>", x, y,
                         kAnchors[static_cast<int>(anchor)],
                         style_class.empty() ? "" : fmt::format(" class=\"{}\"", style_class), escaped(text));
}

void Svg::circle(double x, double y, double radius, const std::string& colour, const std::string& tooltip) {
    body_ += fmt::format(
        "<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"{:.1f}\" fill=\"var(--{})\"><title>{}</title></circle>", x,
        y, radius, colour, escaped(tooltip));
}

void Svg::path(const std::string& data, const std::string& colour) {
    body_ += fmt::format("<path d=\"{}\" fill=\"var(--{})\"/>", data, colour);
}

}  // namespace orrery::report
