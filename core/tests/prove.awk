# Puts the lines that tests print (`| cell | cell |`) into three tables with aligned columns: properties, runs of the
# model, bugs that are found. What is no such line is left out.

function table(title, heads, lines, count,    i, j, n, cells, widths, line) {
    if (count == 0) return
    lines[0] = heads
    for (i = 0; i <= count; i++) {
        n = split(lines[i], cells, " \\| ")
        for (j = 1; j <= n; j++) if (length(cells[j]) > widths[j] + 0) widths[j] = length(cells[j])
    }
    print title
    for (i = 0; i <= count; i++) {
        n = split(lines[i], cells, " \\| ")
        line = "|"
        for (j = 1; j <= n; j++) line = line sprintf(" %-" widths[j] "s |", cells[j])
        print line
        if (i == 0) {
            gsub(/[^|]/, "-", line)
            print line
        }
    }
    print ""
}

# The harness writes a test's name before what the test says first.
/\| .* \|$/ {
    sub(/^[^|]*\| /, "")
    sub(/ \|$/, "")
    first = $0
    sub(/ \|.*/, "", first)
    if (first ~ /^run /) runs[++of_runs] = substr($0, 5)
    else if (first ~ /^R[0-9]+$/) bugs[++of_bugs] = $0
    else properties[++of_properties] = $0
}

END {
    table("Properties", "property | method | states or cases | bound | time | result", properties, of_properties)
    table("Runs of the model, each exhausted", "run | method | states | what may happen | time | result", runs, of_runs)
    table("Bugs of others, put into the core", "bug | what it does | suite | result", bugs, of_bugs)
    if (of_properties == 0 || of_bugs == 0) {
        print "nothing was proven: no test printed a line" > "/dev/stderr"
        exit 1
    }
}
