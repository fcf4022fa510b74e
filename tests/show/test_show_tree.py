from rrl_dsl.show.tree import Branch, tree_lines


def test_tree_with_two_levels() -> None:
    union = Branch("union", (Branch("scale", (Branch("ssl"),)), Branch("supervised")))
    assert tree_lines(Branch("corrupt", (union, Branch("0.05")))) == [
        "corrupt",
        "├─ union",
        "│  ├─ scale",
        "│  │  └─ ssl",
        "│  └─ supervised",
        "└─ 0.05",
    ]


def test_a_leaf_is_its_label() -> None:
    assert tree_lines(Branch("none")) == ["none"]


def test_a_deep_chain_needs_no_deep_stack() -> None:
    chain = Branch("0")
    for number in range(1, 5000):
        chain = Branch(str(number), (chain,))
    lines = tree_lines(chain)
    assert len(lines) == 5000
    assert lines[-1].endswith("└─ 0")
