"""Parts of app.html_report: text, colours, axes, figures and tables of the page."""
