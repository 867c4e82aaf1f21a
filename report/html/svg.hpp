// report/html/svg.hpp
//
// A small builder of inline SVG pictures. Coordinates are in units of the view box (about one pixel on a
// screen); colours are variables of the style sheet.
#pragma once

#include <string>

namespace orrery::report {

/// `&`, `<`, `>`, `"` and `'` as entities; control characters that HTML forbids and broken UTF-8 replaced.
std::string escaped(const std::string& text);

enum class Anchor { start, middle, end };

class Svg {
  public:
    /// `label` is read out by screen readers.
    Svg(double width, double height, const std::string& label);

    void rectangle(double x, double y, double width, double height, const std::string& colour,
                   const std::string& tooltip = "");
    void line(double x1, double y1, double x2, double y2, const std::string& style_class);
    /// `style_class` may be empty.
    void text(double x, double y, const std::string& text, Anchor anchor = Anchor::start,
              const std::string& style_class = "");
    void circle(double x, double y, double radius, const std::string& colour, const std::string& tooltip);
    /// SVG path data, filled.
    void path(const std::string& data, const std::string& colour);

    [[nodiscard]] std::string str() const { return body_ + "</svg>"; }

  private:
    std::string body_;
};

}  // namespace orrery::report
