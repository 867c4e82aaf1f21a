#include "schedules/gantt_svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <set>

#include "core/error.hpp"
#include "schedules/gantt.hpp"

namespace orrery::schedules {
namespace {

constexpr double kRow = 30;        ///< pixels from one row to the next
constexpr double kBox = 24;        ///< height of a box
constexpr double kLeft = 84;       ///< for the device labels
constexpr double kTop = 76;        ///< for title and legend
constexpr double kMargin = 24;     ///< on the right and below
constexpr double kCharacter = 7;   ///< width of a digit in a box
constexpr double kWidest = 12000;  ///< of the whole picture
constexpr std::size_t kMostActions = 200'000;

struct Colour {
    int red = 0, green = 0, blue = 0;
};

struct KindStyle {
    const char* name;
    Colour colour;
};

const KindStyle& style(ActionKind kind) {
    static constexpr std::array<KindStyle, 7> kStyles = {{{"forward", {47, 95, 184}},
                                                          {"backward", {32, 128, 96}},
                                                          {"input gradient", {22, 140, 150}},
                                                          {"weight gradient", {106, 150, 40}},
                                                          {"recomputation", {126, 87, 160}},
                                                          {"evict", {214, 120, 30}},
                                                          {"load", {190, 80, 60}}}};
    return kStyles[static_cast<std::size_t>(kind)];
}

/// The colour of a shade: the first full, the last three fifths of the way to white.
Colour shaded(Colour colour, int shade, int shades) {
    const double way = shades < 2 ? 0 : 0.6 * shade / (shades - 1);
    const auto mix = [way](int part) { return static_cast<int>(std::lround(part + (255 - part) * way)); };
    return {mix(colour.red), mix(colour.green), mix(colour.blue)};
}

bool is_dark(Colour c) {
    return 0.299 * c.red + 0.587 * c.green + 0.114 * c.blue < 150;
}

bool is_transfer(ActionKind kind) {
    return kind == ActionKind::evict || kind == ActionKind::load;
}

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else
            out += c;
    }
    return out;
}

class Drawing {
  public:
    Drawing(const Schedule& schedule, const Evaluation& evaluation)
        : schedule_(schedule), evaluation_(evaluation), shades_(gantt_shades(schedule)) {
        for (int device = 0; device < schedule.devices; ++device)
            boxes_.push_back(gantt_boxes(schedule, evaluation, device));
        choose_scale();
    }

    std::string draw() {
        const double height = kTop + kRow * schedule_.devices + 34 + kMargin;
        const double width = std::max(kLeft + evaluation_.makespan * scale_ + kMargin, 640.0);
        put("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
            "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\">\n"
            "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
            width, height);
        draw_title();
        draw_legend();
        for (int device = 0; device < schedule_.devices; ++device) draw_row(device);
        draw_axis();
        text_ += "</svg>\n";
        return std::move(text_);
    }

  private:
    template <class... Values>
    void put(fmt::format_string<Values...> format, Values&&... values) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
    }

    /// The shortest box holds the longest label, within the widest picture.
    void choose_scale() {
        double shortest = evaluation_.makespan;
        std::size_t longest_label = 1;
        for (const auto& row : boxes_)
            for (const GanttBox& box : row) {
                if (box.end > box.start && !is_transfer(box.kind))
                    shortest = std::min(shortest, box.end - box.start);
                longest_label = std::max(longest_label, gantt_label(schedule_, box).size());
            }
        if (evaluation_.makespan <= 0) return;
        scale_ = (kCharacter * static_cast<double>(longest_label) + 7) / shortest;
        scale_ = std::max(scale_, 560 / evaluation_.makespan);
        scale_ = std::min(scale_, (kWidest - kLeft - kMargin) / evaluation_.makespan);
    }

    double x(double time) const { return kLeft + time * scale_; }

    void draw_title() {
        std::string sizes =
            fmt::format("{} devices, {} micro-batches", schedule_.devices, schedule_.micro_batches);
        if (schedule_.chunks > 1) sizes += fmt::format(", {} chunks", schedule_.chunks);
        if (schedule_.slices > 1) sizes += fmt::format(", {} slices", schedule_.slices);
        put("<text x=\"{:.0f}\" y=\"26\" font-size=\"12\" fill=\"#555555\"><tspan font-size=\"16\" "
            "font-weight=\"bold\" fill=\"#1a1a1a\">{}</tspan><tspan dx=\"14\">{} &#183; bubble {:.1f}% of "
            "the "
            "makespan, {:.1f}% of the longest span</tspan></text>\n",
            kMargin, escaped(schedule_.name), sizes, 100 * evaluation_.bubble_ratio,
            100 * evaluation_.bubble_ratio_span);
    }

    void draw_legend() {
        std::set<ActionKind> kinds;
        for (const auto& row : boxes_)
            for (const GanttBox& box : row) kinds.insert(box.kind);
        double left = kMargin;
        for (const ActionKind kind : kinds) {
            for (int shade = 0; shade < std::min(shades_, 4); ++shade, left += 14)
                put("<rect x=\"{:.1f}\" y=\"42\" width=\"14\" height=\"14\" fill=\"{}\"/>\n", left,
                    hex(shaded(style(kind).colour, shade, shades_)));
            put("<text x=\"{:.1f}\" y=\"53\" font-size=\"12\" fill=\"#333333\">{}</text>\n", left + 5,
                style(kind).name);
            left += 24 + 6.4 * static_cast<double>(std::string_view(style(kind).name).size());
        }
    }

    static std::string hex(Colour c) { return fmt::format("#{:02x}{:02x}{:02x}", c.red, c.green, c.blue); }

    void draw_row(int device) {
        const double top = kTop + kRow * device;
        put("<text x=\"{:.0f}\" y=\"{:.1f}\" font-size=\"12\" text-anchor=\"end\" fill=\"#333333\">device "
            "{}</text>\n",
            kLeft - 10, top + 16.5, device);
        put("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.0f}\" fill=\"#f1f1f1\"/>\n", kLeft,
            top, evaluation_.makespan * scale_, kBox);
        for (const GanttBox& box : boxes_[device])
            if (!is_transfer(box.kind)) draw_box(box, top);
        for (const GanttBox& box : boxes_[device])
            if (is_transfer(box.kind)) draw_transfer(box, top);
    }

    void draw_box(const GanttBox& box, double top) {
        const Colour colour = shaded(style(box.kind).colour, box.shade, shades_);
        const double height = kBox / box.parts;
        const double width = (box.end - box.start) * scale_;
        const double y = top + height * box.part;
        put("<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\" fill=\"{}\"", x(box.start), y,
            width, height, hex(colour));
        // A white outline separates boxes, where there is room for it.
        text_ += width > 4 ? " stroke=\"#ffffff\" stroke-width=\"0.8\"/>\n" : "/>\n";
        const std::string label = gantt_label(schedule_, box);
        if (width < kCharacter * static_cast<double>(label.size()) + 2) return;
        const double size = box.parts > 1 ? 10 : 12;
        put("<text x=\"{:.2f}\" y=\"{:.2f}\" font-size=\"{:.0f}\" text-anchor=\"middle\" "
            "fill=\"{}\">{}</text>\n",
            x(box.start) + width / 2, y + height / 2 + 0.36 * size, size,
            is_dark(colour) ? "#ffffff" : "#1a1a1a", label);
    }

    /// Beside the actions, as a thin bar under them; one of no length is a tick.
    void draw_transfer(const GanttBox& box, double top) {
        put("<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"4\" fill=\"{}\"/>\n", x(box.start),
            top + kBox, std::max((box.end - box.start) * scale_, 2.0), hex(style(box.kind).colour));
    }

    void draw_axis() {
        const double y = kTop + kRow * schedule_.devices + 4;
        put("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{1:.1f}\" stroke=\"#888888\"/>\n", kLeft,
            y, x(evaluation_.makespan));
        const double step = tick_step();
        for (double time = 0; time <= evaluation_.makespan * (1 + 1e-9); time += step) {
            put("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"#888888\"/>\n",
                x(time), y, y + 5);
            put("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"11\" text-anchor=\"middle\" "
                "fill=\"#555555\">{:.6g}</text>\n",
                x(time), y + 18, time);
            if (step <= 0) return;
        }
    }

    /// 1, 2 or 5 times a power of ten, at least 60 pixels wide.
    double tick_step() const {
        if (evaluation_.makespan <= 0) return 0;
        const double least = 60 / scale_;
        const double power = std::pow(10, std::floor(std::log10(least)));
        for (const double factor : {1.0, 2.0, 5.0})
            if (factor * power >= least) return factor * power;
        return 10 * power;
    }

    const Schedule& schedule_;
    const Evaluation& evaluation_;
    int shades_;
    double scale_ = 1;
    std::vector<std::vector<GanttBox>> boxes_;
    std::string text_;
};

}  // namespace

std::string gantt_svg(const Schedule& schedule, const Evaluation& evaluation) {
    if (evaluation.actions > kMostActions)
        throw InputError({}, "svg",
                         fmt::format("{} actions are too many for a picture; at most {} are drawn",
                                     evaluation.actions, kMostActions));
    return Drawing(schedule, evaluation).draw();
}

}  // namespace orrery::schedules
