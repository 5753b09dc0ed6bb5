# dom0 comes up, and runs a test.
echo "hello from $(uname -r)"
