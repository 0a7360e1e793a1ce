"""Which names did packages export, and documents import, before files moved into their rooms?"""

from __future__ import annotations

__all__ = ["PUBLIC"]

PUBLIC = {
    "archtokens": """
        ArchGrammar GraphTokenizer IDENTIFIERS PRESETS TokenBatch TokenSettings
    """.split(),
    "archtokens.grammar": """
        ArchGrammar Choices DagRules DagSpace Decision DeepNetsRules DeepNetsSpace
        NotInLanguage Picker RelationalRules RelationalSpace SPACES Space Vocabulary
        dag_tokens deepnets_tokens relational_tokens vocabulary_file
    """.split(),
    "ghn": """
        GHN GHN1 GHN2 GHN3 GHNConfig adjust_net from_pretrained load_ghn save_ghn
        use_batch_statistics
    """.split(),
    "ghn.training": """
        StepResult TrainConfig Trainer joint_step meta_step
    """.split(),
    "graph2nn": """
        __version__
    """.split(),
    "graph2nn.archgraph": """
        ArchGraph Call Constant Coverage Operand PRIMITIVES PRIMITIVE_ID Weight canonical
        canonical_key coverage draw from_networkx isomorphic_variants shape4d
        structural_hash to_networkx to_pyg trace
    """.split(),
    "graph2nn.cells": """
        CELL_OPS CellNetwork DagNetwork SKELETONS SPACES build_cell_network cell_graph
        enumerate_space macro_network mutate_cell nb101_cell nb201_cell nb201_string
        sample_cells tnb101_cell
    """.split(),
    "graph2nn.deepnets": """
        DARTS EVAL_SPLITS EndlessNets GENOTYPES Genotype MetaBatch MetaBatches NetConfig
        NetDataset NetStore NetTable Network OPS PDARTS PublishedNets SPLITS SplitRules ViT
        WidthRule build_graph count_params draw_widths eval_nets is_connected load_nets
        num_nodes published_graph sample_config sample_genotype sample_table save_nets
        split_rules write_published
    """.split(),
    "graph2nn.deepnets.ground_truth": """
        CORRUPTIONS GroundTruth GroundTruthSettings ImageSettings NetEntry Regenerated
        TABLES add_attributes corrupted count_flops draw_networks find_table generate
        inference_times load_sets plot_ground_truth read_ground_truth regenerate
        summarise_ground_truth train_all train_group write_ground_truth
    """.split(),
    "graph2nn.relational": """
        CONNECTOMES Counts DIVISIONS DataSource ENGINES EXECUTIONS FoundGraph GENERATORS
        GRAPH_SETS GraphEntry GraphMeasures MODELS NetworkSpec RelationalConv2d
        RelationalGraph RelationalLinear RelationalNetwork ResultTable RewiredGraph
        SweepFile SweepGrid TASKS Task ThinningRule WidthMatch as_graph barabasi_albert
        build_model build_network clustering complete count_flops count_module count_params
        cycle division_entries erdos_renyi find_task graph_set grid hypercube
        load_connectome make_graph match_width measure merge_results message_graph
        network_specs node_sizes path_length read_results read_sweep regular
        relational_archgraph relational_mask relational_mlp run_jobs run_sweep search_graph
        set_execution sweep_to_file thin tree write_results ws_flex
    """.split(),
    "graph2nn.relational.analysis": """
        Report analyze
    """.split(),
    "graph2nn.relational.models": """
        MODELS RelationalNetwork build_model padded_template relational_mlp
    """.split(),
    "graph2nn.sparsity": """
        Block Cell ENCODINGS EdgeList FEATURE_SETS FeatureTable GRIDS Layer MODELS Masks
        MultipartiteGraph PRUNERS SparseGrid SparseImages SparseTable TOPOMETRICS
        accuracy_drop adjacency_operator build count_edges degrees density_summary edge_list
        encode features find_grid init_weights layer_table mask_gradients masks_from_scores
        prunable prune published_recipe published_table ramanujan read_sparse_table
        regenerate run_grid sparse_archgraph strengths topometrics train_sparse
    """.split(),
    "graph2nn.sparsity.results": """
        accuracy_drop read_sparse_table
    """.split(),
    "graph2nn.training": """
        AMP OPTIMIZERS Observer PreciseStatistics Recipe Record Report RunFolder SCHEDULES
        Schedule Stacked Template Workers add_arguments clip_gradients cosine_factor
        cosine_warmup_factor describe_environment exponential_factor follow_jobs from_args
        from_dict generator_state group_by_width linear_warmup_factor load_checkpoint
        make_optimizer make_schedule one_thread option parallel_map parse_command
        parse_config precise_bn read_job read_or_set_aside restore_generator result_files
        save_checkpoint seeded set_learning_rate sha256_file step_factor to_dict
        train_networks write_atomic write_job
    """.split(),
    "graph2nn.vision": """
        Augment Batches DATASETS DatasetInfo FolderImages ImageData add_noise color_jitter
        cutout default_data_dir load_images normalize random_crop random_flip
    """.split(),
    "graph2nn.wirings": """
        CONFIGS ContinuousTimeWiring DiscreteTimeWiring EXECUTIONS KINDS MobileNetV1
        PublishedProfile Rectangle Rewiring RewiringSchedule Slots Solver SparseResNet50
        StaticWiring TinyWiring WiredBlock WiredConv WiredMobileNetV1 WiringConfig
        WiringCounts WiringGraph WiringMeasures WiringObserver alive_nodes build_network
        compact count_wiring draw_run edge_budget evaluate_wiring executed_macs find_config
        fine_tune_from given_mask given_masks inherit_edges load_wiring lottery_from
        measure_wiring published_profile read_edges select_weight set_execution swap_rate
        top_k train_wiring wired_layers wiring_archgraph wiring_graph wiring_masks
        wiring_multipartite
    """.split(),
    "predictors": """
        ArchPredictor BANANASPredictor BASELINE CurvePredictor FeaturePredictor GCNPredictor
        GHNEmbedding GHNPredictor GRAF_BLOCKS GraphFeatures LinearBaseline MODELS
        MultiSpacePredictor ONE_HOT_BLOCKS PyGPredictor StackedEnsemble TABLES TART Table
        TargetTransform features_and_tokens load_table make_predictor read_table
        standard_members
    """.split(),
    "predictors.benchmark": """
        SUITES Setting Suite Summary TRAIN_SIZES Trial draw_benchmark draw_scatter
        prediction_file run_benchmark run_trial split_rows stored_records suite_trials
        summarise write_leaderboard
    """.split(),
    "predictors.features": """
        BLOCKS GraphFeatures STANDARD_BLOCKS
    """.split(),
    "predictors.neural": """
        GCNPredictor LOSSES NeuralPredictor
    """.split(),
    "predictors.properties": """
        Method PROPERTIES PropertyScore PropertyTask best_networks markdown_table own_task
        plot_scores published_task scalar_methods score_methods svr_method with_numbers
    """.split(),
    "predictors.proxies": """
        PREFIX PROXIES Proxy ProxyValues add_proxies compute_proxies flow hypernetwork
        jacobian proxy_attributes regions saliency size with_proxies zen
    """.split(),
    "predictors.search": """
        CellSpace Comparison Evaluated GrammarSpace GuidedSearch RandomSearch
        RegularisedEvolution SearchSpace Strategy TrainedNetworks best_so_far compare
        compare_on_table compare_trained draw_evaluated draw_progress mean_and_error
        run_search
    """.split(),
    "predictors.sparsity": """
        DropTask PROTOCOLS Study baseline_taus ceiling drop_task drop_tasks metric_taus
        permutation_importance plan_trials published_networks run_trials shap_importance
        splits study write_report
    """.split(),
    "predictors.tables": """
        NoiseReference TABLES Table load_table read_table
    """.split(),
    "predictors.tart": """
        HEADS PretrainSettings PretrainedEncoder TART pretrain
    """.split(),
}
