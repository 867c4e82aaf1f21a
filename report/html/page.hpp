// report/html/page.hpp
//
// One self-contained page: text, tables and pictures, with its style sheet, script and data inside. It opens
// from a file without a network (its Content-Security-Policy forbids one).
//
// Text and tables are plain HTML in every build. Pictures are drawn by the bundled script (report/web) where
// the build had Node, else they stand in the page as SVG.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/html/charts.hpp"
#include "report/json.hpp"

namespace orrery::report {

/// True when the script of report/web is in this binary.
bool has_web_bundle();

enum class Drawing { in_browser, as_svg };

/// As this binary can.
Drawing default_drawing();

class Page {
  public:
    explicit Page(std::string title, std::string subtitle, Drawing drawing = default_drawing());

    /// `text` is escaped here; the others take HTML made with `escaped` and the functions below.
    void heading(const std::string& text);
    void html(const std::string& text);
    /// A picture with its caption. `id` is unique in the page; Gantt charts of a page zoom together.
    void figure(const std::string& id, const std::string& caption, const Chart& chart);
    /// Embeds `json` under `name` for the script and for whoever reads the page's data.
    void data(const std::string& name, Json json);

    /// Puts `form` (HTML) above the content and lets the script ask the page's own server, and no other.
    void make_live(const std::string& form);

    [[nodiscard]] std::string str() const;
    [[nodiscard]] const std::string& subtitle() const { return subtitle_; }
    [[nodiscard]] const std::string& body() const { return body_; }  ///< HTML of the content
    [[nodiscard]] const Json& json() const { return data_; }         ///< what the script draws from

  private:
    std::string title_;
    std::string subtitle_;
    Drawing drawing_;
    std::string body_;
    std::string form_;  ///< of a live page
    Json data_;
};

/// A headline number: what it is, the number, what it means.
struct Tile {
    std::string name;
    std::string number;
    std::string meaning;
    bool alarm = false;
};
std::string tiles_html(const std::vector<Tile>& tiles);

struct Cell {
    std::string text;
    std::string sort_key;  ///< for numbers: the number; empty: the text
    std::string mark;      ///< a class of the style sheet ("best", "bad"), or empty
};
/// A table; `numeric[i]`: column i is right-aligned. `sortable`: a click on a heading sorts by it.
std::string table_html(const std::vector<std::string>& titles, const std::vector<bool>& numeric,
                       const std::vector<std::vector<Cell>>& rows, bool sortable = false);

std::string named_texts_html(const std::vector<std::pair<std::string, std::string>>& lines);
std::string list_html(const std::vector<std::string>& items);

}  // namespace orrery::report
