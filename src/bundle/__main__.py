from bundle.cli.entry import main

main()
