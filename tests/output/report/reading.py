"""What the table of a report says."""


def cells(report):
    return {row.name: row.cells for row in report.table.rows}


def headings(report):
    return [column.heading for column in report.table.columns]
