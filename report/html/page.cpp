#include "report/html/page.hpp"

#include <fmt/format.h>

#include "report/html/svg.hpp"
#include "report/html/web_assets.hpp"

namespace orrery::report {

bool has_web_bundle() {
    return !web_script().empty();
}

Drawing default_drawing() {
    return has_web_bundle() ? Drawing::in_browser : Drawing::as_svg;
}

Page::Page(std::string title, std::string subtitle, Drawing drawing)
    : title_(std::move(title)),
      subtitle_(std::move(subtitle)),
      drawing_(has_web_bundle() ? drawing : Drawing::as_svg),
      data_(Json::object()) {
    data_["charts"] = Json::object();
}

void Page::heading(const std::string& text) {
    body_ += fmt::format("<h2>{}</h2>\n", escaped(text));
}

void Page::html(const std::string& text) {
    body_ += text;
}

void Page::figure(const std::string& id, const std::string& caption, const Chart& chart) {
    body_ += fmt::format("<figure><figcaption>{}</figcaption>", escaped(caption));
    if (drawing_ == Drawing::in_browser) {
        data_["charts"][id] = chart_json(chart);
        body_ += fmt::format(
            "<div class=\"chart\" data-chart=\"{}\"><noscript>Pictures need JavaScript.</noscript></div>",
            escaped(id));
    } else {
        body_ += chart_svg(chart);
    }
    body_ += "</figure>\n";
}

void Page::data(const std::string& name, Json json) {
    data_[name] = std::move(json);
}

void Page::make_live(const std::string& form) {
    form_ = form;
}

std::string Page::str() const {
    std::string page =
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
    if (!form_.empty()) page += "; connect-src 'self'";
    page +=
        "\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n";
    page += "<title>" + escaped(title_) + " - Orrery</title>\n<style>\n";
    page += style_sheet();
    page += "</style>\n</head>\n<body>\n<header><h1>" + escaped(title_) + "</h1><p>" + escaped(subtitle_) +
            "</p></header>\n" + form_ + "<main>\n" + body_ + "</main>\n";
    page += "<script type=\"application/json\" id=\"orrery-data\">" + to_script_text(data_) + "</script>\n";
    if (has_web_bundle()) {
        page += "<script>\n";
        page += web_script();
        page += "</script>\n";
    }
    return page + "</body>\n</html>\n";
}

std::string tiles_html(const std::vector<Tile>& tiles) {
    std::string html = "<dl class=\"tiles\">\n";
    for (const Tile& tile : tiles) {
        html += fmt::format("<div{}><dt>{}</dt><dd class=\"number\">{}</dd><dd>{}</dd></div>\n",
                            tile.alarm ? " class=\"bad\"" : "", escaped(tile.name), escaped(tile.number),
                            escaped(tile.meaning));
    }
    return html + "</dl>\n";
}

std::string table_html(const std::vector<std::string>& titles, const std::vector<bool>& numeric,
                       const std::vector<std::vector<Cell>>& rows, bool sortable) {
    std::string html = sortable ? "<div class=\"scroll\"><table class=\"sortable\"><thead><tr>"
                                : "<div class=\"scroll\"><table><thead><tr>";
    for (std::size_t i = 0; i < titles.size(); ++i) {
        html += fmt::format("<th scope=\"col\"{}>{}</th>", numeric[i] ? " class=\"number\"" : "",
                            escaped(titles[i]));
    }
    html += "</tr></thead>\n<tbody>\n";
    for (const auto& row : rows) {
        html += "<tr>";
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string classes = (numeric[i] ? "number " : "") + row[i].mark;
            html += fmt::format(
                "<td class=\"{}\"{}>{}</td>", classes,
                row[i].sort_key.empty() ? "" : fmt::format(" data-sort=\"{}\"", escaped(row[i].sort_key)),
                escaped(row[i].text));
        }
        html += "</tr>\n";
    }
    return html + "</tbody></table></div>\n";
}

std::string named_texts_html(const std::vector<std::pair<std::string, std::string>>& lines) {
    std::string html = "<dl class=\"lines\">\n";
    for (const auto& [name, text] : lines) {
        html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(text));
    }
    return html + "</dl>\n";
}

std::string list_html(const std::vector<std::string>& items) {
    std::string html = "<ul>\n";
    for (const std::string& item : items) html += "<li>" + escaped(item) + "</li>\n";
    return html + "</ul>\n";
}

}  // namespace orrery::report
