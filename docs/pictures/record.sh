#!/usr/bin/env bash
# Records `cargo xtask demo` on a terminal, and draws that: demo.cast and demo.svg beside this file. The demo runs twice,
# since nobody wants to see it compile. Takes a picture of every kind of Slack message: slack.png. Needs Debian's packages
# chromium, fonts-noto-color-emoji and pngquant.
set -euo pipefail
cd "$(dirname "$0")/../.."
environment=target/pictures
pictures=docs/pictures
python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --requirement "$pictures/requirements.txt"
cargo xtask demo
"$environment/bin/asciinema" rec --quiet --overwrite --cols 100 --rows 36 --idle-time-limit 1 \
  --title 'cargo xtask demo' --command 'cargo xtask demo' "$pictures/demo.cast"
# Where this machine has its Python is nobody's business.
sed -i 's#python /[^ ,]*/python3#python python3#' "$pictures/demo.cast"
# What ends in less than half a second is one picture with what comes next.
"$environment/bin/termtosvg" render "$pictures/demo.cast" "$pictures/demo.svg" \
  --min-frame-duration 500 --max-frame-duration 2000 --loop-delay 10000

cargo run --quiet --bin longshore -- slack preview --html "$environment/slack.html"
chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --window-size=760,16660 \
  --screenshot="$environment/slack.png" "file://$PWD/$environment/slack.html"
pngquant --force --output "$pictures/slack.png" 64 "$environment/slack.png"
